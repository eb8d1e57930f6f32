"""The stand-in as a process."""

import argparse

from infra.local.standins import vllm
from infra.local.standins.loop import serve
from infra.local.standins.vllm.server import TASKS, Options, VllmStandIn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.standins.vllm", description=vllm.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--task", choices=sorted(TASKS), default="generate")
    parser.add_argument("--key")
    parser.add_argument("--seats", type=int, default=32)
    parser.add_argument("--queue", type=int, default=0, help="requests that may wait before it says 503; 0: all")
    parser.add_argument("--token-ms", type=float, default=0.0)
    parser.add_argument("--longest", type=int, default=4096, help="tokens of a prompt and its answer")
    options = Options(**vars(parser.parse_args()))
    serve(lambda: VllmStandIn(options), lambda server: f"ready http://127.0.0.1:{server.port}/v1")


if __name__ == "__main__":
    main()
