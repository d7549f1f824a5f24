"""What a server allows each client."""

from dataclasses import dataclass

from ..workspace.errors import UserError

MAX_CANDIDATES = 100
MAX_MASKS = 64
MAX_COMPARED = 8
BYTES_PER_CHARACTER = 12  # JSON may write a character as two escapes of six bytes
BYTES_AROUND_TEXTS = 65_536


@dataclass(frozen=True)
class ServerLimits:
    """Limits of `serve`."""

    max_loaded: int = 16
    """Models with adapters in memory; the least recently used one is dropped for another."""
    max_texts: int = 32
    """Texts per request."""
    max_characters: int = 5_000
    """Characters per text."""
    max_waiting: int = 64
    """Requests in the queue; further ones are refused with status 429."""
    timeout: float = 30.0
    """Seconds after which a request is given up with status 504."""

    def __post_init__(self) -> None:
        """Raise UserError for a limit that lets nothing through."""
        for name, value in vars(self).items():
            if not value > 0:
                raise UserError(f"{name}: expected a number above 0, not {value}")

    @property
    def max_body(self) -> int:
        """Bytes of a request's body."""
        return self.max_texts * self.max_characters * BYTES_PER_CHARACTER + BYTES_AROUND_TEXTS
