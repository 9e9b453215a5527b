"""Texts whose bytes do not state their encoding, or state one that does not hold for every byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import put, read_here

from ingest.parse.plain import decode_stated, decode_text
from rag.types import UNREAD_NOTES

WESTERN = (
    "The tenant can’t sublet. The landlord’s deposit is £500 – payable in full.",
    "“Supplier” means the supplier’s agents. The Supplier’s liability is £1,000,000.",
    "It’s 40",
    "Don’t pay more than £5…",
    "the parties’ rights",
    "Price: £40 – “quoted” €5",
    "2½ cups of flour at 180 °C for 1¼ hours",
    "15 µg/L",
    "Lead µg/L;Area m²\n15;120",
    "Volume 3 m³, tolerance ±5 µm, R² = 0.9",
    "© 2024 Acme® Ltd™ • § 5 ¶ 2 † ‰",
    "A room of 3×4 m, 90° – 5¢ or ¥100",
    "A café, a résumé and a naïve façade",
    "The so-called “Mañana” clause—see page 5",
    "Müller, García, Françoise, Søren and Ångström",
    "Fee\xa05\xa0€",
    "Well…then ‘no’",
    "x² + y³",
    "Le règlement intérieur s’applique à l’ensemble du personnel. L’employé doit s’y conformer dès son arrivée.",
    "PRÉSENTATION DES RÉSULTATS",
    "L’ÉTÉ À NOËL",
    "À payer : 40 €",
    "Délai de préavis : trois mois",
    "N° 5, 2e étage",
    "Estratègies: és només això",
    "« L’œuvre d’art » coûte 5 €",
    "Où êtes-vous ? Ça va là-bas.",
    "Voilà",
    "Müller",
    "Größe",
    "STRAßE 5",
    "ÜBERGABE DER SCHLÜSSEL",
    "Die Gebühr beträgt 40 € – fällig im März.",
    "»Ja« und ‚nein‘",
    "„Mieter“ ist, wer für die Räume zahlt (§ 5)",
    "Öffnungszeiten: täglich 8–18 Uhr",
    "O prazo é de 30 dias após a notificação.",
    "Art. 5º – O prazo é de 30 dias",
    "1º lugar",
    "2ª via do cartão",
    "As condições não são aplicáveis às exceções.",
    "RESCISÃO DO CONTRATO DE LOCAÇÃO",
    "AÇÕES E OBRIGAÇÕES",
    "São Paulo",
    "Razões",
    "El niño pagó 40 € mañana.",
    "¿Cuánto cuesta? ¡Nada!",
    "Mª José, Nº 5, Dª Ana",
    "CONTRATO DE ARRENDAMIENTO DE VIVIENDA EN ESPAÑA",
    "Artículo 3º. La duración será de un año.",
    "La pingüina pidió más",
    "Señor Muñoz",
    "La città è più bella",
    "Perché no? È così.",
    "L’affitto è di 40 € – più l’IVA",
    "La tariffa è dovuta il 1º giugno; ciò non può mutare.",
    "PERCHÉ LA CITTÀ È LÀ",
    "Caffè",
    "Avgiften är 40 kronor och betalas på fredag.",
    "Prisen på øl er blevet højere",
    "Een coördinator en één café",
)
SHORT = (
    "5 ½|¼|10 µm|25°|25 °C|A ± B|¶ 3|naïve|O’Brien’s|O’BRIEN’S|rock ’n’ roll|the ’90s|Smith & Co.®|1–2|pp. 3–4|"
    "A—B|“a”|‘a’|€5|5 €|£5m|¥100|©|policy¹|terms²|fee³|CO² and H²O|Œuvre|ŒUVRE|DÉJÀ VU|ÇA VA|Zoë|"
    "Charlotte Brontë|coöperate|façade|piñata|jalapeño|Curaçao|São|Malmö|Tromsø|Århus|København|Ærø|Reykjavík|"
    "x × y ÷ z|100 £|(£5)|£5/€6|§5|§ 5 Abs. 2|Straße|Schlüssel|Übung|Ärger|Öl|FÜR|GRÖSSE|größer|Maß|"
    "à la carte|à|è|é|ü|ñ|ç|É|À bientôt|Où|dû|crème brûlée|forêt|naître|maïs|Noël|cœur|sœur|garçon|reçu|leçon|"
    "déjà|élève|été|préféré|créée|ÉTÉ|FRANÇAIS|DÉCLARATION|HÔTEL|DÉPÔT|PÉNALITÉS|mañana|AÑO|año|niña|NIÑO|"
    "DIRECCIÓN|ACCIÓN|está|Perú|Bogotá|más|sí|¿Qué?|¡Olé!|«hola»|não|NÃO|mãe|pão|pães|irmã|maçã|avó|avô|você|"
    "três|português|ações|AÇÕES|lição|coração|informações|INFORMAÇÕES|órgão|às|perché|È|più|PIÙ|così|COSÌ|virtù|"
    "città|CITTÀ|però|lunedì|università|qualità|QUALITÀ|e/o – l’attività|l’età|smörgåsbord|ÅR|på|får|hälsa|øl|"
    "æble|blå|KØBENHAVN|FÆRØERNE|één|coördinatie|geïnteresseerd|België|ideeën|financiële|Fees: £10–£20|½ day|3½|"
    "1¼”|6’ 2”|Señor|Año Nuevo|Café|CAFÉ|Résumé|RÉSUMÉ|el Niño|Jürgen Müller|Björk|José|JOSÉ|María|MARÍA|Núñez|"
    "NÚÑEZ|Ibáñez|Gómez|François|FRANÇOIS|Hélène|Chloé|Besançon|Nîmes|Bâle|Zürich|ZÜRICH|Köln|München|MÜNCHEN|"
    "Düsseldorf|Quality · Speed · Price|• first|• premier élément|™|Footnote™|10 000 £|« oui »|„ja“|‚ja‘|»nein«|"
    "†|‡ note|50 ‰|…and|wait…|Art. 3.º|N.º 5|nº 12|1.ª parte|2º andar|Sr.ª Silva|D.ª Ana|m²|km²|m³/s|µ|µm|10µm|±|"
    "±5|5±1|×2|2×|¬|¦|a¦b"
)
OTHERS = (
    ("Café 40", "cp850"),
    ("Gebühr", "cp850"),
    ("Délai de préavis : trois mois, règlement intérieur", "cp850"),
    ("Café “forty” – 40", "mac_roman"),
    ("The tenant can’t sublet. The landlord’s deposit is £500.", "mac_roman"),
    ("Плата за стоянку сорок рублей", "koi8_r"),
    ("Договор аренды от 5 мая", "koi8_r"),
    ("Договор аренды № 5", "cp1251"),
    ("Плата за стоянку", "cp1251"),
    ("ПЛАТА", "cp1251"),
    ("ДОГОВОР АРЕНДЫ", "cp866"),
    ("Ivan Petrov (Иван Петров) signed the contract", "cp1251"),
    ("Оренда житла: сплатити в п’ятницю", "cp1251"),
    ("Poplatek činí 40 Kč", "cp1250"),
    ("Smlouva o nájmu bytu, nájemné se platí měsíčně předem", "cp1250"),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy", "iso8859_2"),
    ("Zażółć gęślą jaźń", "cp1250"),
    ("Zażółć gęślą jaźń", "iso8859_2"),
    ("Opłata wynosi 40 zł", "cp1250"),
    ("Najemca płaci czynsz do 5. dnia miesiąca.", "cp1250"),
    ("Łódź", "cp1250"),
    ("A díj összege negyven forint, fizetendő májusban", "cp1250"),
    ("Bérleti szerződés a lakásról; a bérlő fizet", "cp1250"),
    ("Nájomné sa platí mesačne vopred, najneskôr k 5. dňu", "cp1250"),
    ("Najemnina se plača mesečno, začne veljati v četrtek", "cp1250"),
    ("Ücret 40 liradır, mayısta ödenir.", "cp1254"),
    ("Kira sözleşmesi bir yıl sürer; değişmez.", "cp1254"),
    ("İSTANBUL ŞİŞLİ", "cp1254"),
    ("Το τέλος είναι 40 ευρώ", "cp1253"),
    ("Σύμβαση μίσθωσης", "iso8859_7"),
    ("המחיר הוא 40 שקלים", "cp1255"),
    ("חוזה שכירות", "cp1255"),
    ("السعر أربعون ريالا", "cp1256"),
    ("ค่าเช่าสี่สิบบาท", "cp874"),
    ("Mokestis yra 40 eurų, mokėti gegužę", "cp1257"),
    ("Nuomos sutartis: nuomininkas moka kas mėnesį", "cp1257"),
    ("Īres līgums: maksā katru mēnesi", "cp1257"),
    ("Üürileping: üürnik maksab tähtajaks, šokolaad ja žanr", "cp1257"),
    ("料金は四十円です。", "cp932"),
    ("料金は四十円です。", "euc_jp"),
    ("料金は四十円です。", "iso2022_jp"),
    ("賃貸借契約書：家賃は毎月五日に支払う。", "cp932"),
    ("费用是四十元", "gb18030"),
    ("时间,城市,温度\n2024-01-01,北京,-3\n2024-01-02,上海,5\n", "gb18030"),
    ("姓名,部门,工资\n李明,市场部,8000\n", "gb18030"),
    ("氏名,住所,電話番号\n山田,東京都,03\n", "euc_jp"),
    ("租赁合同：每月五日付租金。", "gb18030"),
    ("費用是四十元，請於五月支付。", "big5"),
    ("요금은 사십 원입니다", "cp949"),
    ("임대차 계약서", "cp949"),
    ("Плата 40 рублей в мае", "utf-16-be"),
    ("Die Gebuhr ist 40", "utf-16-le"),
)


@pytest.mark.parametrize("text", [*WESTERN, *SHORT.split("|")])
def test_western_texts_are_read_as_windows_writes_them(text: str) -> None:
    assert decode_text(text.encode("cp1252")) == (text, "cp1252")


@pytest.mark.parametrize(("text", "encoding"), OTHERS)
def test_other_encodings_are_told_by_their_letters(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Ti\xea\xecng Vi\xea\xf2t", "Tiếng Việt"),
        (b"H\xf5\xf2p \xf0\xf4\xccng thu\xea nha\xcc", "Hợp đồng thuê nhà"),
        (b"Gia\xec: 40 \xf0\xf4\xccng/tha\xecng", "Giá: 40 đồng/tháng"),
    ],
)
def test_vietnamese_has_its_marks_apart(tmp_path: Path, data: bytes, text: str) -> None:
    assert read_here(put(tmp_path / "a.txt", data)).text == text


def test_a_sign_far_from_the_others_is_read(tmp_path: Path) -> None:
    text = "The fee is due. " * 20_000 + "It is £5 – the tenant’s. " + "It is due. " * 20_000
    assert decode_text(text.encode("cp1252")) == (text, "cp1252")


def test_a_byte_that_is_none_of_the_encoding_costs_one_character() -> None:
    text = "Le règlement intérieur s’applique à l’échéance"
    assert decode_text(text.encode("cp1252") + b" \x9d") == (text + " \ufffd", "cp1252")


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("iso-8859-1", "règlement à l’échéance".encode("cp1252") + b" \x9d", "règlement à l’échéance \ufffd"),
        ("gb2312", "合同期限为五年。".encode("gbk") + b" \x81 5", "合同期限为五年。 \ufffd 5"),
        ("utf-8", "£5 für Gebühr ".encode() + b"caf\xe9", "£5 für Gebühr caf\ufffd"),
        ("utf-8", "Grüße aus Köln".encode("cp1252"), "Grüße aus Köln"),
        ("us-ascii", "Größe 5".encode(), "Größe 5"),
        ("x-none", "Größe 5".encode(), "Größe 5"),
        ("hex", b"414243 \xe9", "414243 é"),
    ],
)
def test_a_stated_encoding_holds_unless_most_of_it_is_wrong(charset: str, data: bytes, text: str) -> None:
    assert decode_stated(data, charset) == text


def test_characters_that_cannot_be_decoded_are_told(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.txt", "Gebühr für Übernachtung ".encode() + b"\xe9 x"))
    assert [note.code for note in document.notes] == ["characters_unreadable"]
    assert "characters_unreadable" in UNREAD_NOTES
