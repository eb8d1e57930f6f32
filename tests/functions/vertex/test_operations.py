"""What a delete answers, as Google's own clients read it."""

from google.api_core import operation
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format

from tests.functions.vertex.conftest import JOBS, World


def _again() -> None:
    raise AssertionError("what is done is asked for no more")


def test_the_operation_of_a_delete_is_read_by_googles_clients(world: World) -> None:
    name = world.create()["name"]
    world.settled(name)
    answer = world.api.delete(f"{JOBS}/{name.rpartition('/')[2]}")

    assert answer.json["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    read = json_format.Parse(answer.text, operations_pb2.Operation())
    found = operation.Operation(read, _again, _again, empty_pb2.Empty)  # type: ignore[no-untyped-call]
    assert found.done()  # type: ignore[no-untyped-call]
    assert found.result(timeout=1) == empty_pb2.Empty()  # type: ignore[no-untyped-call]
    assert found.operation.name == answer.json["name"]
