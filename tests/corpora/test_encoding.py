from lrl_adapt.corpora.encoding import repair_encoding, suspects


def test_suspects_are_few_and_hold_all_that_is_broken() -> None:
    fine = ["Il-ġurnata sabiħa.", "Déjà vu, “l’été.”", "Çok güzel", "\u200cمی‌خواهم", "👩‍🔬", "a\tb\r\nc", ""]
    words = ["ġurnata", "ħafna", "déjà", "Привет", "سلام", "ሰላም", "“ok”"]
    broken = [word.encode().decode(name, "replace") for word in words for name in ("latin-1", "windows-1252")]
    broken += ["Tom &amp; Jerry", "a\x00b", "\ufeffabc", "a\ue000b"]
    texts = [text for pair in zip(fine * 9, broken, strict=False) for text in pair]
    assert suspects(texts) == [number for number in range(len(texts)) if number % 2]
    assert suspects([]) == []


def test_only_broken_texts_are_repaired_and_counted() -> None:
    texts = ["Il-ġurnata sabiħa.", "Il-Ä¡urnata", "Tom &amp; Jerry", "caf\u0065\u0301"]
    assert repair_encoding(texts) == (["Il-ġurnata sabiħa.", "Il-ġurnata", "Tom & Jerry", "caf\u0065\u0301"], 2)
    assert texts[1] == "Il-Ä¡urnata"
