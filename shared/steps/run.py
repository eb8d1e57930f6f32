"""From a message to its step."""

from shared.app import App
from shared.domain.errors import Poison
from shared.domain.messages import Message
from shared.steps.cancel import cancel
from shared.steps.check import check
from shared.steps.collect import collect
from shared.steps.execute import execute
from shared.steps.finish import finish
from shared.steps.meter import meter
from shared.steps.prepare import prepare
from shared.steps.settle import settle
from shared.steps.submit import submit
from shared.steps.sweep import sweep

__all__ = ["BATCH_STEPS", "JOB_STEPS", "SHARD_STEPS", "run"]

BATCH_STEPS = {"prepare": prepare, "cancel": cancel, "finish": finish}
SHARD_STEPS = {"submit": submit, "check": check, "execute": execute, "collect": collect, "settle": settle}
JOB_STEPS = {"meter": meter}


def run(app: App, message: Message) -> None:
    """Run one step. Transient: deliver the message again. Poison: it names no step of ours."""
    if message.batch is not None and message.step in BATCH_STEPS:
        BATCH_STEPS[message.step](app, message.batch)
    elif message.shard is not None and message.step in SHARD_STEPS:
        SHARD_STEPS[message.step](app, message.shard)
    elif message.job is not None and message.step in JOB_STEPS:
        JOB_STEPS[message.step](app, message.job)
    elif message.step == "sweep":
        sweep(app)
    else:
        raise Poison(f"no step for {message.body()}")
