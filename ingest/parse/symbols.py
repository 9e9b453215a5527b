"""What fonts of symbols show: in Symbol the letter m is μ, in Wingdings ü is a tick. Pure."""

from __future__ import annotations

_SYMBOL = dict(
    zip(
        (*range(0x21, 0x7F), *range(0xA0, 0xE1), 0xE5, 0xF2),
        "!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
        "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…|⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊∑∫",
        strict=True,
    )
)
_FONTS: dict[str, dict[int, str]] = {
    "symbol": _SYMBOL,
    "wingdings": {
        0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "☐", 0x71: "☐", 0x72: "☐", 0x76: "❖",
        0x78: "☒", 0x9F: "•", 0xA1: "○", 0xA7: "▪", 0xA8: "☐", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓",
        0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
    },
    "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0xA3: "☐"},
    "wingdings 3": {0x70: "▲", 0x71: "▼", 0x74: "◀", 0x75: "▶"},
    "webdings": {0x61: "✓", 0x63: "☐", 0x67: "■", 0x6E: "●", 0x72: "✗"},
}  # fmt: skip
_PRIVATE = range(0xF000, 0xF100)  # where programs put the characters of such fonts


def show_symbols(text: str, font: str) -> str:
    """The text as the font shows it: unchanged for a font of letters; a symbol without a name is left out."""
    known = _FONTS.get(font.strip().lower())
    if known is None:
        return text
    return "".join(_shown(character, known) for character in text)


def _shown(character: str, known: dict[int, str]) -> str:
    if ord(character) in _PRIVATE:
        code = ord(character) & 0xFF
    else:
        data = character.encode("cp1252", "ignore")
        if not data or character.isspace():
            return character
        code = data[0]
    return known.get(code, "")
