"""A vLLM server that has no model: its routes, its errors and its queue, for tests and for whoever has no GPU.

`python -m infra.local.standins.vllm --port 8000 --seats 32 --token-ms 5` prints `ready http://127.0.0.1:8000/v1` when
it serves, and SIGTERM stops it. What it imitates was measured with vLLM 0.32.0 and read in the source of 0.33.0. Its
answers say that they are a stand-in's.

A prompt may ask for trouble: `[[status 500]]` is answered so, `[[status 500 x2]]` only the first two times,
`[[slow 3]]` takes three seconds more. `nonce-NAME` in a prompt is counted: GET /-/journal tells what was really run.
"""

from infra.local.standins.vllm.beside import Running, running
from infra.local.standins.vllm.server import Options, VllmStandIn

__all__ = ["Options", "Running", "VllmStandIn", "running"]
