"""Characters of scripts that are written without spaces between words."""

TIBETAN = range(0x0F00, 0x1000)  # syllables are separated by its own marks
UNSPACED = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x1950, 0x1A00),  # Tai Le, New Tai Lue, Khmer symbols
    range(0x1A20, 0x1AB0),  # Tai Tham
    range(0x1B00, 0x1B80),  # Balinese
    range(0x2E80, 0x2FE0),  # Han radicals
    range(0x3005, 0x3008),  # Han marks of iteration, zero
    range(0x3040, 0x3100),  # Kana
    range(0x31F0, 0x3200),
    range(0x3400, 0xA000),  # Han, and some characters that are not letters
    range(0xA980, 0xAA00),  # Javanese, Myanmar
    range(0xAA60, 0xAAE0),  # Myanmar, Tai Viet
    range(0xF900, 0xFB00),  # Han
    range(0xFF66, 0xFFA0),  # Kana, half width
    range(0x20000, 0x32400),  # Han
)


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words; Tibetan is not included."""
    code = ord(character)
    return code >= UNSPACED[0].start and any(code in part for part in UNSPACED)
