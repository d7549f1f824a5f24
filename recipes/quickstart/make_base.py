"""Text for pre-training the quickstart's base: python recipes/quickstart/make_base.py text OUT_DIR.

Reads `$LRL_DATA/text/LANG.txt.gz`, a sentence a line, of languages whose text is wholly from Common Voice's sentence
collection, the Bible corpus of Christodouloupoulos and Steedman, or the Universal Declaration of Human Rights: CC0 or
public domain, so that the weights may be given away.
"""

import gzip
import os
import sys
from pathlib import Path

LANGUAGES = """\
arb_Arab asm_Beng bul_Cyrl cat_Latn ces_Latn ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn
fra_Latn guj_Gujr hin_Deva hun_Latn hye_Armn kaz_Cyrl khk_Cyrl kin_Latn kir_Cyrl kmr_Latn lug_Latn lvs_Latn nld_Latn
pan_Guru pes_Arab pol_Latn por_Latn ron_Latn rus_Cyrl slk_Latn slv_Latn swe_Latn tat_Cyrl tha_Thai tur_Latn ukr_Cyrl
vie_Latn zul_Latn
"""
SMALL = ("cym_Latn", "urd_Arab", "uzn_Latn", "mkd_Cyrl")
SMALL_BYTES = 100_000  # of these the base sees so much: the rest of their text is for adapters


def write_text(source: Path, target: Path) -> None:
    """A txt file for each language."""
    target.mkdir(parents=True, exist_ok=True)
    for language in (*LANGUAGES.split(), *SMALL):
        left = SMALL_BYTES if language in SMALL else sys.maxsize
        read, written = source / "text" / f"{language}.txt.gz", target / f"{language}.txt"
        with gzip.open(read, "rb") as lines, written.open("wb") as file:
            for line in lines:
                if (left := left - len(line)) < 0:
                    break
                file.write(line)


if __name__ == "__main__":
    if sys.argv[1:2] != ["text"] or len(sys.argv) != 3 or "LRL_DATA" not in os.environ:
        sys.exit(__doc__)
    write_text(Path(os.environ["LRL_DATA"]), Path(sys.argv[2]))
