"""What a few sentences tell of an embedding model: how its cosines lie, and which languages it knows.

Models differ in what a cosine means: all-MiniLM-L6-v2 gives .05 to texts that have nothing in common, others .7.
Everything that reads cosines was tuned with the former, so that those of other models are brought to its scale. And a
model behind a server shows no vocabulary: it is asked whether it places a sentence nearest to its translation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rag.models.vocabulary import script_of
from rag.types import CosineScale

Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to unit vectors, float32, shape (len(texts), dimension)."""

PROBE = "Unused days up to a maximum of ten carry over to the next calendar year."
"""A text whose vector tells whether a server still runs the same model."""

# A question and a sentence that answers it, each pair about something else.
PAIRS: tuple[tuple[str, str], ...] = (
    ("How many days of annual leave do employees get?", "Staff are entitled to 28 days of paid holiday a year."),
    ("What cools the reactor?", "Water from the river carries the heat of the core away."),
    ("When does the library close?", "On weekdays readers can stay until eight in the evening."),
    ("Who painted the ceiling of the chapel?", "The frescoes overhead are the work of Michelangelo."),
    ("How is the bread baked?", "The dough rests overnight and then spends forty minutes in a hot oven."),
    ("Why did the company's revenue fall?", "Sales shrank because two large customers left."),
    ("Which medicine lowers blood pressure?", "Patients who took the tablets had fewer cases of hypertension."),
    ("Where do the birds spend the winter?", "In autumn the flock flies south to the African coast."),
    ("How can I reset my password?", "Choose `forgotten` on the login page to receive a link by mail."),
    ("What is the fine for late payment?", "Invoices that are overdue cost an extra two percent a month."),
)

# The same six sentences, in each language; what is equal in several languages (names, numbers) was left out.
ENGLISH = (
    "The children are playing in the garden.",
    "My doctor works in a small hospital.",
    "It will rain tomorrow morning.",
    "We have bought a new house.",
    "The dog sleeps under the table.",
    "She reads a book every week.",
)
TRANSLATIONS: Mapping[str, tuple[str, ...]] = {
    "German": (
        "Die Kinder spielen im Garten.", "Mein Arzt arbeitet in einem kleinen Krankenhaus.",
        "Morgen früh wird es regnen.", "Wir haben ein neues Haus gekauft.", "Der Hund schläft unter dem Tisch.",
        "Sie liest jede Woche ein Buch.",
    ),
    "French": (
        "Les enfants jouent dans le jardin.", "Mon médecin travaille dans un petit hôpital.",
        "Il va pleuvoir demain matin.", "Nous avons acheté une nouvelle maison.", "Le chien dort sous la table.",
        "Elle lit un livre chaque semaine.",
    ),
    "Turkish": (
        "Çocuklar bahçede oynuyor.", "Doktorum küçük bir hastanede çalışıyor.", "Yarın sabah yağmur yağacak.",
        "Yeni bir ev satın aldık.", "Köpek masanın altında uyuyor.", "O her hafta bir kitap okur.",
    ),
    "Russian": (
        "Дети играют в саду.", "Мой врач работает в маленькой больнице.", "Завтра утром будет дождь.",
        "Мы купили новый дом.", "Собака спит под столом.", "Она каждую неделю читает книгу.",
    ),
    "Greek": (
        "Τα παιδιά παίζουν στον κήπο.", "Ο γιατρός μου δουλεύει σε ένα μικρό νοσοκομείο.", "Αύριο το πρωί θα βρέξει.",
        "Αγοράσαμε ένα καινούργιο σπίτι.", "Ο σκύλος κοιμάται κάτω από το τραπέζι.",
        "Διαβάζει ένα βιβλίο κάθε εβδομάδα.",
    ),
    "Arabic": (
        "الأطفال يلعبون في الحديقة.", "طبيبي يعمل في مستشفى صغير.", "ستمطر غدا صباحا.", "لقد اشترينا بيتا جديدا.",
        "الكلب ينام تحت الطاولة.", "هي تقرأ كتابا كل أسبوع.",
    ),
    "Hebrew": (
        "הילדים משחקים בגינה.", "הרופא שלי עובד בבית חולים קטן.", "מחר בבוקר ירד גשם.", "קנינו בית חדש.",
        "הכלב ישן מתחת לשולחן.", "היא קוראת ספר כל שבוע.",
    ),
    "Hindi": (
        "बच्चे बगीचे में खेल रहे हैं।", "मेरे डॉक्टर एक छोटे अस्पताल में काम करते हैं।", "कल सुबह बारिश होगी।",
        "हमने एक नया घर खरीदा है।", "कुत्ता मेज़ के नीचे सोता है।", "वह हर हफ़्ते एक किताब पढ़ती है।",
    ),
    "Thai": (
        "เด็กๆ กำลังเล่นอยู่ในสวน", "หมอของฉันทำงานในโรงพยาบาลเล็กๆ", "พรุ่งนี้เช้าฝนจะตก", "เราซื้อบ้านใหม่แล้ว",
        "สุนัขนอนอยู่ใต้โต๊ะ", "เธออ่านหนังสือทุกสัปดาห์",
    ),
    "Chinese": (
        "孩子们在花园里玩。", "我的医生在一家小医院工作。", "明天早上会下雨。", "我们买了一栋新房子。", 
        "狗睡在桌子下面。",
        "她每周读一本书。",
    ),
    "Japanese": (
        "子供たちは庭で遊んでいます。", "私の主治医は小さな病院で働いています。", "明日の朝は雨が降るでしょう。",
        "私たちは新しい家を買いました。", "犬はテーブルの下で寝ています。", "彼女は毎週本を読みます。",
    ),
    "Korean": (
        "아이들이 정원에서 놀고 있습니다.", "제 의사는 작은 병원에서 일합니다.", "내일 아침에 비가 올 것입니다.",
        "우리는 새 집을 샀습니다.", "개가 탁자 밑에서 잡니다.", "그녀는 매주 책을 읽습니다.",
    ),
}  # fmt: skip
_FEWEST_FOUND = 5  # of six translations that are nearest to their sentence; by chance .07 % of models have so many
_LEAST_SPREAD = 0.02  # of the mean cosines of related and of unrelated texts; a model with less tells nothing apart


def measure_cosines(embed_queries: Embed, embed_passages: Embed) -> CosineScale:
    """The mean cosine of a question to its own answer and to the answers of others."""
    cosines = embed_queries([question for question, _ in PAIRS]) @ embed_passages([answer for _, answer in PAIRS]).T
    own = np.eye(len(PAIRS), dtype=bool)
    unrelated, related = float(cosines[~own].mean()), float(cosines[own].mean())
    return CosineScale(unrelated, max(related, unrelated + _LEAST_SPREAD))


def measure_scripts(embed: Embed) -> tuple[frozenset[str], bool]:
    """The scripts of the languages that a model knows, and whether it knows other languages than English.

    A script with several languages is known if most of them are. LATIN is always known, since English is asked for.
    """
    english = embed(ENGLISH)
    found = embed([sentence for sentences in TRANSLATIONS.values() for sentence in sentences])
    known: dict[str, list[bool]] = {}
    for number, sentences in enumerate(TRANSLATIONS.values()):
        rows = found[number * len(ENGLISH) : (number + 1) * len(ENGLISH)]
        nearest = np.argmax(rows @ english.T, axis=1)
        right = int((nearest == np.arange(len(ENGLISH))).sum()) >= _FEWEST_FOUND
        for script in {script_of(letter) for letter in "".join(sentences) if letter.isalpha()} - {""}:
            known.setdefault(script, []).append(right)
    scripts = {script for script, answers in known.items() if sum(answers) > len(answers) / 2}
    return frozenset(scripts | {"LATIN"}), "LATIN" in scripts
