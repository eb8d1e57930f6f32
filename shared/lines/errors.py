"""What can be wrong with one line."""

__all__ = ["InvalidLine", "LineError"]


class LineError(Exception):
    """This line cannot be run; the others can. It ends as a row of the error file, status 400, naming the parameter.

    `param` is a path inside the line's body, such as `messages[0].content`. The message never quotes the input.
    """

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


class InvalidLine(LineError):
    """This is not a line of this batch at all: the whole file fails validation, with the line's number, as at OpenAI.

    `param` is a path inside the line, such as `custom_id` or `body.model`.
    """
