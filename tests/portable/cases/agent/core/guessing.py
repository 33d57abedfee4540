from agent.core import guessing

for text in (
    "",
    "Password",
    "P@ssw0rd!1",
    "ＡＢＣ１２３",
    "カワセミ",
    "ÄÖÜ ПАРОЛЬ",
    "qwerty",
    "!QAZ2wsx",
    'qwertyuiop@[!"#$%',
    "ぬふあうえお",
    "いろはにほへと",
    "river-and-river",
    "52:54:00:ab",
    "abababa",
):
    folded = guessing.fold(text)
    hard = guessing.hardness(folded)
    print(text, folded, " ".join(guessing.spellings(folded)), guessing.plain(folded))
    print(hard, guessing.news(folded, hard), guessing.is_pattern(hard), guessing.is_repetition(folded))
for first, second in ("as", "az", "ap", "-^", "p@", ":;", "ぬふ", "あい", "ろは", "a川"):
    print(first, second, guessing.is_easy(first, second))
