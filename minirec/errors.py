"""Every error and warning class of minirec. A message says what was wrong, where, and what to do."""


class MinirecError(Exception):
    """Base of all errors that minirec raises on purpose."""


class ParameterError(MinirecError, ValueError):
    """An argument or a hyper-parameter has a value that cannot be used."""


class UnknownParameterError(ParameterError, TypeError):
    """A keyword that this model or function does not take; the message names the one that was probably meant."""


class ShapeError(ParameterError):
    """Arrays whose shapes do not fit together; the message names the operation and the shapes."""


class GraphError(MinirecError, RuntimeError):
    """Gradients were asked for where no graph holds them: nothing requires one, or they were computed and the graph freed."""


class DataError(MinirecError, ValueError):
    """Input data that cannot be read or used: a missing column, a malformed file, an empty table."""


class UnknownIdError(MinirecError, KeyError):
    """A user or item id that the data set or the fitted model does not know."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class NotFittedError(MinirecError, ValueError, AttributeError):
    """A method that needs a fitted model was called before `fit`."""


class NotSupportedError(MinirecError, TypeError):
    """This model cannot do what was asked; the message says why."""


class ModelFitError(MinirecError, ArithmeticError):
    """Training diverged or met numbers that are not finite."""


class ModelFileError(MinirecError, ValueError):
    """A file of a model or an extractor is damaged, foreign, or of a version that this minirec does not read."""


class StoreError(MinirecError, RuntimeError):
    """An event store cannot be opened, read or written; `reason` is "full", "readonly", "damaged", "busy", "closed" or "other"."""

    def __init__(self, message: str, reason: str = "other") -> None:
        super().__init__(message)
        self.reason = reason


class RequestError(MinirecError, ValueError):
    """A request to the service that cannot be answered; `status` is the HTTP status that says so."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class MissingExtraError(MinirecError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'minirec[{extra}]'")


class MemoryBudgetError(MinirecError, MemoryError):
    """The work would take more memory than the budget (`MINIREC_MEMORY`) allows."""


class DataWarning(UserWarning):
    """The data was usable, but something in it deserves a look."""


class ConvergenceWarning(UserWarning):
    """An iterative solver stopped before it reached its tolerance."""
