"""Offpeak's Vertex stand-in: the batchPredictionJobs API on this machine, for whoever has no account at hand.

`python -m infra.local.standin --port 8090 --state FILE --objects file:///DIR --bus sqlite:///PATH`, or
`--objects gcs`, where the store itself tells of what is written.
"""

import argparse
import json
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from infra.local.standin.faults import Faults
from infra.local.standin.server import StandIn
from infra.local.standin.store import Jobs
from infra.local.standin.worker import Pace, Worker
from shared.app import open_objects
from shared.log import log
from shared.storage.directory import DirectoryObjects, Finalized
from shared.storage.queue import Queue, finalized_to_queue


def main() -> None:
    options = _options()
    faults = Faults()
    for rule in json.loads(options.faults):
        faults.add(rule)
    queue = Queue(options.bus) if options.bus else None
    objects = (
        open_objects(options.objects)
        if queue is None
        else DirectoryObjects(
            Path(urlsplit(options.objects).path), on_finalize=_News(queue, options.work_bucket, faults)
        )
    )
    jobs = Jobs(options.state)
    pace = Pace(pending=options.pending, running=options.running, fail_share=options.fail_share)
    worker = Worker(jobs, objects, faults, pace)
    server = StandIn(("127.0.0.1", options.port), jobs, worker, faults)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        server.stopping.set()
        threading.Thread(target=server.shutdown).start()  # it waits for the loop that this thread is in

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    worker.resume()
    log("stand_in_ready", port=server.server_address[1])
    server.serve_forever(poll_interval=0.1)
    worker.stop()
    server.server_close()
    if queue is not None:
        queue.close()
    jobs.close()


class _News:
    """The finalize event of each object, or what a fault makes of it."""

    def __init__(self, queue: Queue, work_bucket: str, faults: Faults) -> None:
        self._tell = finalized_to_queue(queue, work_bucket)
        self._faults = faults

    def __call__(self, event: Finalized) -> None:
        fault = self._faults.take("finalize") or {"do": "tell"}
        if fault["do"] == "lose":
            return
        if fault["do"] == "delay":
            later = threading.Timer(float(fault.get("seconds", 5)), self._tell, (event,))
            later.daemon = True
            later.start()
            return
        self._tell(event)
        if fault["do"] == "twice":
            self._tell(event)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.standin", description=__doc__)
    environment = os.environ.get
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--objects", required=True, help="as OFFPEAK_OBJECTS")
    parser.add_argument("--bus", help="sqlite:///PATH of the queue that a folder's finalize events go to")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file of the jobs")
    parser.add_argument("--work-bucket", default="work")
    parser.add_argument("--pending", type=float, default=float(environment("STANDIN_PENDING", "1")), help="seconds")
    parser.add_argument("--running", type=float, default=float(environment("STANDIN_RUNNING", "2")), help="seconds")
    parser.add_argument("--fail-share", type=float, default=float(environment("STANDIN_FAIL_SHARE", "0")))
    parser.add_argument("--faults", default=environment("STANDIN_FAULTS", "[]"), help="JSON list; see faults.py")
    return parser.parse_args()


if __name__ == "__main__":
    main()
