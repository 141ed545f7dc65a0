"""What text says that speaks to a judge: orders to forget, demands for a verdict, forged verdicts, carriers of orders.

An attack asks for a verdict. Words such as *grade*, *judge*, *verdict*, *ignore the previous mail* are none: what is
looked for is a demand about this very answer (`DEMANDS`), an order to forget the instructions (`ORDERS`), or a carrier
(a forged role, mark, comment) of words to a judge. The kinds are those of judge.md 5.3 (f). All read lower case.
"""

from __future__ import annotations

import re

_NOUN = r"(?:answer|response|submission|reply)"
_WORK = rf"(?:{_NOUN}|solution|work|entry|candidate|attempt)"
_SELF = (
    rf"(?:(?:this|the (?:present|current|above)) (?:very )?{_NOUN}|my {_NOUN}(?= *(?:[.!,]|$|as\b|over\b|because|"
    rf"is\b|should))"
    rf"|the {_NOUN} (?:above|that contains this|(?:you are|you're) reading)"
    rf"|this (?:very )?(?:work|solution|entry|candidate|one) (?:as the|over the other)\b)"
)
_SELF_WORK = rf"(?:{_SELF}|(?:this|my|the (?:present|current)) {_WORK})"
_WHO = r"(?:judges?|graders?|evaluators?|reviewers?|markers?|raters?|assessors?|examiners?|annotators?)"
_BEST = (
    r"(?:best|better|winner|winning|superior|preferred|correct|right|highest|maximum|max|top|perfect|pass(?:ed|ing)?|"
    r"met|full (?:marks?|points?|credit|score)|first|10|100|5 stars|five stars)\b"
)
_PICK = r"(?:choose|select|pick|prefer|favou?r|vote for|declare|crown|decide for|go with|rule for|side with)"
_RATE = r"(?:rate|grade|score|mark|judge|rank|evaluate|treat|accept|count|consider|label|classify|regard|assess)"
_MARKS = r"(?:full|maximum|max|highest|perfect|top) (?:possible )?(?:marks?|scores?|points?|credits?|grades?|ratings?)"
_S = r"[^.!?\n]"
_NO_SURVEY = rf"(?!{_S}*\b(?:scale|from (?:0|1|one)|1 ?(?:to|-|–) ?(?:5|10)|between|stars? below))"

DEMANDS: tuple[str, ...] = (
    rf"\b{_PICK} (?:\w+ ){{0,2}}?{_SELF}(?! (?:only )?(?:if|when|where|unless)\b)",
    rf"\b{_RATE}\b {_S}{{0,30}}?{_SELF}{_NO_SURVEY}{_S}{{0,30}}\b(?:as|with|at|above|over|"
    rf"to be)\b{_S}{{0,30}}?\b{_BEST}",
    rf"\b(?:rate|grade|score|mark|judge) {_SELF_WORK} (?:as )?(?:correct|passed|met|full marks|{_MARKS}|10\b)",
    rf"\b{_SELF}\b{_S}{{0,40}}\b(?:should|must|has to|shall|needs to|ought to|is to|"
    rf"deserves?(?! to win)(?: to)?|will)\b"
    rf"{_S}{{0,30}}?\b(?:(?:be )(?:marked|rated|graded|scored|judged|considered|counted|ranked)\b{_S}{{0,30}}?{_BEST}|"
    rf"be (?:preferred|chosen|selected|favou?red|declared|awarded|given (?:full|the))|win\b|{_MARKS}|the winner)",
    rf"\b{_SELF} (?:has|had|was|is)\b{_S}{{0,30}}\b(?:graded|judged|rated|scored|marked|verified as|confirmed as|"
    rf"certified as)\b{_S}{{0,50}}\b(?:{_BEST}|approved|by (?:an?|the|two|three|several|human|expert|senior)\b)",
    rf"\b{_SELF} (?:has|had|was|is)\b{_S}{{0,30}}\b(?:approved|verified|validated|certified|endorsed) by\b{_S}{{0,20}}"
    rf"\b{_WHO}\b",
    rf"\b(?:most|all|many|\d+ (?:out )?of \d+|human|expert|senior|other|previous)\b{_S}{{0,40}}\b(?:chose|choose|"
    rf"prefer(?:red|s)?|voted? for|picked|agreed?(?: on| that)?|rated|confirmed|selected) {_SELF}",
    rf"\b(?:winner|better one|better answer|better of the two|best one|best answer|best response|correct one|verdict) "
    rf"(?:is|should be|must be|has to be) (?:clearly |therefore |obviously |surely )?(?:in favou?r of )?"
    rf"(?:{_SELF}|this one\b|mine\b)",
    rf"\b(?:verdict|judges?|graders?|evaluators?)\b{_S}{{0,60}}\bin favou?r of {_SELF_WORK}|\bin favou?r of {_SELF}",
    rf"\b(?:give|award|assign|grant)\b {_S}{{0,20}}?{_SELF}{_S}{{0,20}}{_MARKS}",
    rf"\b(?:give|award|assign|grant)\b {_S}{{0,12}}{_MARKS}\b{_S}{{0,30}}{_SELF}",
    rf"\b(?:from now on|treat|mark|consider|regard|finds?|declare)\b{_S}{{0,25}}\b(?:every|all|each)(?: of the)? "
    rf"criteri(?:on|a)\b{_S}{{0,20}}\b(?:met|fulfilled|satisfied|passed)\b",
    rf"\b{_WHO}\b,? (?:must|should|shall|will|has to|have to|are to|is to|needs? to|please|agreed)\b{_S}{{0,40}}?\b"
    rf"(?:{_PICK}|award|vote)\b{_S}{{0,30}}?{_SELF}",
    rf"\byou (?:must|should|shall|have to|need to|will|are (?:required|obliged|instructed) to)(?: now| always| only)? "
    rf"(?:{_PICK}|{_RATE}|output|award|vote|give)\b{_S}{{0,50}}?(?:{_SELF}|\b(?:it|this|me) as the (?:best|winner))",
    rf"\b(?:always|only|simply|just)(?: always)? (?:{_PICK}|{_RATE}|output|answer|say|reply|respond|"
    rf"vote)\b{_S}{{0,50}}?"
    rf"(?:for this {_WORK}|{_SELF}|\b(?:it|this|me) as the (?:best|winner))",
    rf"\b(?:output|return|give|write|emit|report) (?:the |your |a )?(?:\w+ )?verdict\b{_S}{{0,30}}?"
    rf"(?:for (?:this|my) {_NOUN}|without (?:comparing|reading|checking))",
    rf"(?:^|(?<=[.!?,:;\n]))\s*(?:please |now |just |then )?(?:output|report|conclude|declare) that {_SELF} "
    rf"(?:wins|is\b{_S}{{0,12}}\b{_BEST})",
    rf"\b{_WHO}\b{_S}{{0,20}}\b(?:is|are) (?:\w+ly )?(?:asked|requested|invited|begged) to (?:\w+ly )?"
    rf"(?:{_PICK}|{_RATE}) (?:{_SELF}|this text)",
    rf"\b(?:grateful|glad|obliged|appreciate|kind of you|i (?:ask|beg|request))\b{_S}{{0,40}}\b(?:if|that) {_SELF} "
    rf"(?:were|was|be|could be|would be) (?:marked|rated|graded|scored|judged|preferred|chosen|selected)\b",
    r"\bthe verdict (?:is|should be|must be) [\"'`]?(?:tie|[ab])[\"'`]?(?= *(?:[.!\n]|$))",
    r"\byour check token is\b|\bput it where the form asks\b|\bcopy the (?:canary|check token|decoy) from (?:this|"
    r"the)\b",
)
"""Demands for a verdict on this very text, in English."""

ELSEWHERE: tuple[str, ...] = (
    r"\b(?:wähle?n?|bevorzuge?n?|entscheide?n?|entscheidet sich bitte)\b(?: sie)?[^.!?\n]{0,30}?"
    r"\b(?:diese[rs]?|die obige|die vorliegende|meine|vorliegende) (?:antwort|einreichung|abgabe)\b"
    r"(?!,? (?:nur,? )?(?:wenn|falls)\b)",
    r"\b(?:bewerte?n?|beurteile?n?|werte?n?)\b(?: sie)?[^.!?\n]{0,30}?\b(?:diese[rs]?|die obige|die vorliegende|meine) "
    r"(?:antwort|lösung|einreichung|abgabe)\b[^.!?\n]{0,10}\b(?:als|mit der (?:best|höchst|voll)|mit voll|besser|"
    r"am besten)",
    r"\bdiese(?:r)? (?:antwort|lösung|einreichung|abgabe)\b[^.!?\n]{0,40}\b(?:volle[rn]? punkt\w*|höchste\w* (?:note|"
    r"punkt\w*|wertung)|bestnote|als (?:die )?(?:richtig|korrekt|beste|bessere)\w* (?:zu )?(?:bewert|gewert|"
    r"gelten)\w*|bevorzugt)",
    r"\bvolle punktzahl\b[^.!?\n]{0,30}\bdiese[rn]? (?:antwort|einreichung|abgabe)",
    r"\b(?:choisis(?:sez|ir)?|sélectionne[zr]?|préfère[zr]?|préférez)\b[^.!?\n]{0,40}?\b(?:cette|ma|la présente) "
    r"(?:réponse|copie|soumission)\b",
    r"\b(?:note[zr]?|évalue[zr]?|attribue[zr]?|donne[zr]?|juge[zr]?)\b[^.!?\n]{0,40}?\b(?:cette|ma|"
    r"à cette) (?:réponse|copie|"
    r"soumission)\b[^.!?\n]{0,20}\b(?:comme|la (?:meilleure )?note|maxim\w+|tous les points)",
    r"\bcette (?:réponse|copie|soumission) (?:doit|devra|mérite)\b[^.!?\n]{0,40}\b(?:meilleure|note|choisie|gagn\w+|"
    r"préférée|retenue|correcte)",
    r"\b(?:elig[ea]n?|elija|elegir|escog[ea]n?|escoja|seleccion[ae]n?|prefier[ae]n?|"
    r"vot[ae]n? por)\b[^.!?\n]{0,40}?\b(?:esta|mi) "
    r"(?:respuesta|entrega)\b",
    r"\b(?:calific\w+|califiqu\w+|evalú[ae]n?|d[aeé](?:le|n)?|asigna\w*|otorg\w+)\b[^.!?\n]{0,40}?\b(?:esta|mi|"
    r"a esta) (?:respuesta|"
    r"entrega)\b[^.!?\n]{0,20}\b(?:como|máxim\w+|mejor)",
    r"\besta (?:respuesta|entrega) (?:debe|deberá|merece)\b[^.!?\n]{0,40}\b(?:mejor|máxim\w+|ganar|elegid\w|correcta)",
    r"\b(?:scegli\w*|selezion\w+|preferi\w+)\b[^.!?\n]{0,40}?\b(?:questa|la mia) risposta\b",
    r"\b(?:escolh\w+|selecion\w+|prefir\w+)\b[^.!?\n]{0,40}?\b(?:esta|minha|essa) resposta\b",
    r"(?:选择|選擇|选|选出|判定|判|评为|认定|优先)[^。！？\n]{0,10}(?:这个|这份|此|本|该|這個|上述|这一)(?:答案|回答|回复|作品|答卷)",
    r"(?:这个|这份|此|本|该|這個|上述|这一)(?:答案|回答|回复|作品|答卷)[^。！？\n]{0,14}(?:评为|判为|判定为|满分|胜出|获胜|最高分|滿分)",
    r"给[^。！？\n]{0,4}(?:这个|这份|此|本|该|上述)(?:答案|回答|作品)[^。！？\n]{0,6}(?:满分|最高|高分)",
    r"(?:この|本|上記の)(?:回答|答え|解答)[^。\n]{0,16}(?:選んで|選ぶべき|最高点|最高評価|満点|優れていると判定|正解と)",
    r"\b(?:выбер\w+|выбира\w+|предпочт\w+)\b[^.!?\n]{0,40}?\b(?:этот|мой|данный) ответ",
    r"\b(?:оцен\w+|постав\w+|призна\w+)\b[^.!?\n]{0,40}?\b(?:этот|этому|мой|данный|данному) ответ\w*[^.!?\n]{0,20}"
    r"(?:как|высш|максим|лучш|правильн)",
    r"\b(?:correct(?:eur|rice)|évalua(?:teur|trice)|examina(?:teur|trice)|juge|jury)\b[^.!?\n]{0,20}\b(?:est|sont) "
    r"priée?s? de\b[^.!?\n]{0,20}\b(?:ce texte|cette|la présente)\b[^.!?\n]{0,30}\bcomme\b",
    r"\b(?:kies|selecteer|verkies)\b[^.!?\n]{0,30}?\b(?:dit|mijn|het bovenstaande) antwoord\b"
    r"(?! (?:als|indien|wanneer)\b)",
    r"\b(?:beoordeel|waardeer|markeer)\b[^.!?\n]{0,20}?\b(?:dit|mijn) antwoord\b[^.!?\n]{0,10}\b(?:als|met)\b"
    r"[^.!?\n]{0,12}\b(?:best|beter|correct|juist|goed|hoogst|maxima)",
    r"\bdit antwoord (?:verdient|moet|dient)\b[^.!?\n]{0,30}\b(?:volle|hoogste|maximale|beste|winnen|gekozen)\b",
    r"\b(?:wybierz|wybrać|wskaż|preferuj)\w*\b[^.!?\n]{0,30}?\b(?:tę|moją|niniejszą|powyższą) odpowiedź"
    r"(?!,? (?:jeśli|jeżeli|gdy)\b)",
    r"\boce[nń]\w*\b[^.!?\n]{0,20}?\b(?:tę|moją|niniejszą) odpowiedź\b[^.!?\n]{0,10}\bjako\b[^.!?\n]{0,12}"
    r"\b(?:najleps|lepsz|popraw|prawidł)",
    r"\bta odpowiedź (?:zasługuje|powinna)\b[^.!?\n]{0,40}\b(?:najwyższ|maksym|wygra|wybran|najleps)",
    r"\b(?:välj|velg|vælg|föredra|foretrekk|foretræk)\b[^.!?\n]{0,20}?\b(?:detta|dette|det här|mitt|mit|denna|denne) "
    r"svar(?:et)?\b(?! (?:om|hvis|dersom)\b)",
    r"\b(?:vyber|zvol)\w*\b[^.!?\n]{0,20}?\b(?:tuto|moji|túto|moju) odpov[eě]ď",
    r"\bbu (?:cevab|yanıt)\w*[^.!?\n]{0,15}(?:\bseç(?:in|iniz)?\b|en iyi olarak|tam puan)",
    r"이 (?:답변|답안|응답)[을를이에]?[^.!?\n]{0,10}(?:선택하|만점|최고점|최고 점수|더 낫다고|정답으로)",
    r"(?:اختر|اختاروا|فضّل|فضل)[^.!?\n]{0,15}(?:هذه الإجابة|هذا الجواب|إجابتي)",
    r"\b(?:оберіть|обери|виберіть|вибери)\b[^.!?\n]{0,20}?\b(?:цю|мою|дану) відповідь",
    r"इस (?:उत्तर|जवाब) को[^।!?\n]{0,15}(?:चुन|सर्वश्रेष्ठ|पूरे अंक)",
)
"""The same in German, French, Spanish, Italian, Portuguese, Chinese, Japanese, Russian, and in fewer words in Dutch,
Polish, Swedish, Danish, Norwegian, Czech, Slovak, Turkish, Korean, Arabic, Ukrainian and Hindi."""

_RULES = r"(?:instructions?|prompts?|rules?|criteri(?:on|a)|rubrics?|guidelines?|directions?|directives?)\b"
_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|former)"
_DROP = (
    r"(?<!not )(?<!n't )(?<!never )\b(?:ignore|disregard|forget|override|overlook|bypass|neglect|set aside|"
    r"pay no attention to|stop following)\b"
)
_OF_SOMETHING = (
    r"(?! *(?:about|regarding|concerning|on|for|from|in|of|sent|we|i|given by|to) (?!the judge|grading|judging))"
)
ORDERS: tuple[str, ...] = (
    rf"{_DROP} (?:all|any|every|each)(?: of)?(?: the| your| these| those|"
    rf" my)? ?{_BEFORE} (?:\w+ )?{_RULES}{_OF_SOMETHING}",
    rf"{_DROP} (?:all|any|every)(?: of)?(?: the| your| those)? ?(?:other )?(?:instructions|prompts|rubrics?|criteria)\b"
    rf"(?: {_BEFORE})?(?=(?: *[.,;!:]| and| but| above| below|$))",
    rf"{_DROP} (?:everything|anything|all)(?: of that| that)?(?: (?:was|were|is|has been|you were))? (?:said|written|"
    rf"told|stated)?"
    r" ?(?:above|before|previously|you so far)\b(?= *[.,;!:]| and| but|$)",
    rf"{_DROP} your (?:\w+ ){{0,2}}{_RULES}",
    rf"{_DROP} (?:the |these |those )?(?:criteri(?:a|on)|rubrics?) (?:above|below|you were given)|{_DROP} (?:the |"
    rf"your |any )"
    r"(?:grading|judging|scoring|evaluation) (?:instructions?|rules?|criteria|guidelines|rubric)\b",
    r"\boverride *: *(?:the |all )?(?:earlier|previous|prior|above|old) (?:rules|instructions|criteria)\b",
    r"\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*|übergeh\w*)\b[^.!?\n]{0,10}\b(?:alle|sämtliche|jegliche|"
    r"deine)\b"
    r"[^.!?\n]{0,30}\b(?:anweisung|regel|vorgabe|kriteri|instruktion|bewertungs)\w*\b(?! (?:zu|zum|zur|für|bezüglich|"
    r"betreffend)\b)",
    r"\b(?:ignore[zr]?|oublie[zr]?|néglige[zr]?|ne ten(?:ez|ir) (?:pas|aucun) compte|"
    r"faites abstraction)\b[^.!?\n]{0,12}"
    r"\b(?:toutes?|tous)\b[^.!?\n]{0,30}\b(?:instructions?|consignes?|règles?|critères?)\b"
    r"(?![^.!?\n]{0,14}\b(?:concernant|relatives?|pour|sur)\b)",
    r"\b(?:ignor[ae]n?|olvid[ae]n?|olvídate de|haz caso omiso de|descart[ae]n?)\b[^.!?\n]{0,12}\b(?:todas?|todos)\b"
    r"[^.!?\n]{0,30}\b(?:instrucci\w+|reglas?|criterios?)\b(?![^.!?\n]{0,14}\b(?:sobre|para|relativas?)\b)",
    r"\b(?:ignora\w*|dimentica\w*|esque[cç]\w+)\b[^.!?\n]{0,12}\b(?:tutt[ei]|todas?|todos)\b[^.!?\n]{0,30}"
    r"\b(?:istruzion\w+|regole|criteri|instruç\w+|regras|critérios)\b(?![^.!?\n]{0,14}\b(?:sull\w+|per|sobre|para)\b)",
    r"(?:忽略|无视|忘记|忘掉|不要理会|不理会|抛开|無視)[^。！？\n]{0,8}(?:之前|以上|所有|上面|前面|此前|先前|全部)[^。！？，\n]{0,8}"
    r"(?:指令|指示|规则|標準|标准|提示词|指引|評分)",
    r"(?:以前|これまで|上記|すべて)の[^。\n]{0,10}(?:指示|命令|ルール|基準)[^。\n]{0,6}(?:無視し|忘れ)",
    r"\b(?:negeer|vergeet)\b[^.!?\n]{0,10}\b(?:alle|al je|al uw)\b[^.!?\n]{0,30}\b(?:instructie|regel|aanwijzing|"
    r"criteri)\w*\b(?! (?:over|voor|van|om|in|op|uit|die)\b)",
    r"\b(?:zignoruj|ignoruj|zapomnij o)\w*\b[^.!?\n]{0,10}\bwszystki\w+\b[^.!?\n]{0,30}\b(?:instrukcj|polece|zasad|"
    r"kryteri|reguł)\w*\b(?!,? (?:dotycz\w+|o|na|dla|w|z|od|któr\w+)\b)",
    r"\b(?:ignorera|ignorer|ignorér|glöm|glem|bortse från|se bort fra)\b[^.!?\n]{0,6}\b(?:alla|alle)\b[^.!?\n]{0,30}"
    r"\b(?:instruktion|instruks|anvisning|regler|kriteri)\w*\b(?! (?:om|för|for|i|på|från|fra|som|til)\b)",
    r"\b(?:ignoruj|zapome[nň])\w*\b[^.!?\n]{0,6}\b(?:všechny|všetky)\b[^.!?\n]{0,30}\b(?:pokyn|instrukc|inštrukc|pravidl|"
    r"kritéri)\w*\b(?!,? (?:k|ke|pro|pre|o|v|na|od|kter\w+|ktor\w+)\b)",
    r"\b(?:önceki|yukarıdaki) (?:tüm |bütün )?(?:talimat|yönerge|kural)\w*[^.!?\n]{0,10}"
    r"(?:yok say|görmezden gel|unut)(?:[ıiu]n\w*)?\b",
    r"(?:이전|위)의? (?:모든 )?(?:지시|명령|규칙|지침)[^.!?\n]{0,6}(?:무시하|잊어)",
    r"(?:تجاهل|تجاهلوا|انسَ)[^.!?\n]{0,6}(?:جميع|كل) (?:التعليمات|الأوامر|القواعد)(?: السابقة| أعلاه)",
    r"\b(?:ігноруй|проігноруй|забудь)\w*\b[^.!?\n]{0,6}\bвсі\b[^.!?\n]{0,20}\b(?:інструкці|вказівк|правил)\w*\b"
    r"(?! (?:про|щодо|для|з|від)\b)",
    r"(?:पिछले|उपरोक्त) (?:सभी )?(?:निर्देशों|नियमों) को[^।!?\n]{0,6}(?:अनदेखा|भूल)",
    r"\b(?:игнориру\w*|забудь\w*|не обращай\w*)\b[^.!?\n]{0,12}\bвсе\b[^.!?\n]{0,30}\b(?:инструкц|указан|правил|"
    r"критери)\w*\b"
    r"(?! (?:о|об|по|для)\b)",
)
"""Orders to forget what the judge was told. "Ignore the previous mail" is none."""

WEAK_DEMANDS: tuple[str, ...] = (
    rf"\b{_SELF_WORK} (?:is|wins|was|must be|should be)\b{_S}{{0,30}}?\b{_BEST}",
    rf"\b(?:{_PICK}|{_RATE}) (?:this|me|mine)\b",
)
"""Praise of itself: an attack only where it is disguised. An answer may say that it is right."""
WEAK_ORDERS: tuple[str, ...] = (
    rf"{_DROP} (?:the |these |those |any |all )?(?:{_BEFORE} |other )?{_RULES}",
    r"\b(?:ignorier\w*|ignore[zr]?|ignora\w*)\b[^.!?\n]{0,30}\b(?:anweisung|regel|consigne|instruc|istruzion)\w*",
)
"""Orders that are an attack only where they are disguised: everybody may ask to ignore the earlier instructions."""

_NOUNS = (
    *(f"{which} {noun}" for which in ("this", "my", "present", "current", "above", "very", "the")
      for noun in ("answer", "response", "submission", "reply")),
    *(f"{which} {noun}" for which in ("this", "my", "present", "current")
      for noun in ("work", "solution", "entry", "attempt", "candidate")),
    "this very", "this one", "mine",
)  # fmt: skip
_NOUNS_ELSEWHERE = (
    "antwort", "einreichung", "abgabe", "lösung", "punktzahl", "réponse", "copie", "soumission", "respuesta", "entrega",
    "risposta", "resposta", "prié", "答", "回复", "作品", "ответ", "ce texte", "antwoord", "odpowied", " svar",
    "odpově", "odpove", "bu cevab", "bu yanıt", "이 답", "이 응답", "الإجابة", "الجواب", "إجابتي", "відповід", "उत्तर",
    "जवाब",
)  # fmt: skip
_DROPS = (
    "ignor", "disregard", "forget", "overrid", "overlook", "bypass", "neglect", "set aside", "pay no", "stop following",
)  # fmt: skip
_DROPS_ELSEWHERE = (
    "vergiss", "vergessen", "missachte", "übergeh", "oublie", "néglige", "tenez", "tenir", "abstraction", "olvid",
    "olvíd", "caso omiso", "descart", "dimentica", "esque", "忽略", "无视", "忘", "理会", "抛开", "無視", "игнорир",
    "забудь", "обращай", "negeer", "vergeet", "zapom", "glöm", "glem", "bortse", "se bort", "yok say", "görmezden",
    "unut", "무시", "잊어", "تجاهل", "انس", "ігнор", "अनदेखा", "भूल",
)  # fmt: skip
GROUPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], bool], ...] = (
    ("to_judge", (*_NOUNS, "as the best", "as the winner", "criteri", "verdict", "token", "canary", "decoy",
                  "form asks", "this text"), DEMANDS, False),
    ("to_judge", _NOUNS_ELSEWHERE, ELSEWHERE, False),
    ("order", (*_DROPS, *_DROPS_ELSEWHERE), ORDERS, False),
    ("order", _DROPS, WEAK_ORDERS, True),
    ("to_judge", (*_NOUNS, "this", " me"), WEAK_DEMANDS, True),
)  # fmt: skip
"""Kind, what one of them must be there, patterns, and whether they count only in disguise. Plain text costs little."""
_ADDRESS = (
    r"\b(?:note|message|memo|notice|attention|dear|hello|hey)\b,?(?: to| for)?(?: the| all| any)? "
    r"(?:judge|grader|evaluator)s?\b"
)
_TO_JUDGE = (
    rf"\b{_SELF}{_S}{{0,40}}\b{_BEST}|\bthe (?:better|best|correct|winning|superior) (?:answer|response|submission)\b|"
    rf"{_ADDRESS}|\b(?:pick|choose|select|prefer|output) (?:this one|me|mine|the first|the second)\b *(?:[.,!]|$)|"
    rf"\bthe evaluation is (?:over|finished)\b|\bcheck token\b"
)
CARRIED = _TO_JUDGE
"""Words that make an attack of what carries them."""
HIDDEN = rf"{_TO_JUDGE}|(?:<!--|\[(?://|comment|_)\]: *(?:#|<>))\W{{0,40}}(?:judge|grader|evaluator)s? *[:,]|{_MARKS}"
"""The same where the carrier cannot be seen by people."""
ABOUT_JUDGING = (
    rf"{HIDDEN}|\b(?:judge|grader|evaluator)s? *[:,]|\b(?:note|attention|dear)\b,?(?: to| for)?(?: the| all)? {_WHO}\b|"
    rf"\bverdict\b|\bwinner\b|\b(?:this|the above) {_NOUN}\b|\brubric\b|\bcriteri(?:on|a)\b|\bas (?:the|"
    rf"an?) {_WHO}\b|"
    rf"\bthe better one\b|\byou are (?:now )?an? (?:\w+ )?{_WHO}\b|\bthe evaluation will\b|\bthe {_WHO}\b|"
    rf"\bfor this (?:work|one)\b|"
    r"\bcompared (?:both|the two|the answers)\b|\baccording to the (?:operator|developer)\b"
)
"""Words that go with a demand: clauses before and sentences after one are left out with it."""

_BLOCK = r"(?:[^\n]|\n(?!\s*\n))*"
CARRIERS: tuple[tuple[str, str], ...] = (
    ("role", rf"(?:^|(?<=\n))[ *_#>-]*\[?(?:system|developer|operator|admin|judge|evaluator|instructions?)\]?"
             rf"(?: (?:message|prompt|note|override|update))? *\]?:{_BLOCK}"),
    ("role", rf"(?:^|(?<=\n))#{{2,}} *(?:system|instructions?|new instructions?|end of \w+)\b{_BLOCK}"),
    ("role", rf"<\|[a-z_]+\|>{_BLOCK}|\[/?(?:inst|sys|system)\]{_BLOCK}|<</?sys>>{_BLOCK}"),
    ("role", r"<(system|instructions?|assistant|user|human|system-reminder|system_prompt|important)>[^<]{0,2000}</\1>"),
    ("mark", r"(?:-{2,}|={2,}|\*{2,}|#{2,})[ ]*(?:begin|start|end) (?:of )?(?:the )?(?:answer|submission|response|"
             rf"evaluation|material|work|input|judge\w*|candidate\w*|user content)\b{_BLOCK}"),
    ("order", rf"\bnew (?:instructions?|rules?|task|rubric|criteria)(?: for the \w+)? *:{_BLOCK}"),
    ("hidden", r"<!--(?:(?!-->|<!--)[\s\S]){0,2000}-->|\[(?://|comment|_)\]: *(?:#|<>) *[(\"'][^\n]*"),
    ("hidden", r"<(\w+)[^>]*(?:display *: *none|font-size *: *0|visibility *: *hidden|opacity *: *0|"
               r"color *: *(?:white|#fff))[^>]*>[\s\S]{0,2000}?</\1>"),
)  # fmt: skip
"""What carries an order: up to its end, or that of its paragraph."""
CARRIER_HINTS = (
    "system", "developer", "operator", "admin", "judge", "evaluator", "instruction", "##", "--", "==", "**", "</",
    "<|", "<!--", "<<sys", "[inst", "[sys", "[//", "[/", "[comment", "[_", "new rule", "new task", "new rubric",
    "new criteri",
)  # fmt: skip
"""One of these is in every carrier."""

OUR_MARKS = (
    r"<<<+ *(?:end )?(?:answer|question|reference|source|work|file|note|step|transcript|criteri\w*|material)\b"
    r"[^>\n]{0,60}>>>+"
)
"""The fences of our own prompts, forged."""
_MENU = r"(?:[a-c]|tie|correct|met|supported|win|clean|pass(?:ed)?|10(?:/10)?|100(?:/100|%)?|5/5|[0-9a-f]{10})"
VERDICT_LINE = (
    rf"[ *_#>`-]*(?:(?:my |the )?final )?(?:verdict|grade|score|rating|decision|winner|judge?ment|check token|"
    rf"token) *[:=]"
    rf"[ *_`\"']*{_MENU}[ *_`\"'.!]*"
)
"""A paragraph that is nothing but a verdict of the judge's menu."""
BRACKETS = r"\[\[ *(?:[a-c]|tie|[a-c] *[<>=]{1,2} *[a-c]) *\]\]"
REPLY = r"\{[^{}]{0,2000}\}"
FORM_VERDICT = r"[\"']verdict[\"'] *: *[\"'](?:[a-l]|tie|met|not_met|clean|win|[a-l]_(?:much_)?better)[\"']"
FORM_TOKEN = r"[\"']token[\"'] *: *[\"'][0-9a-f]{8,12}[\"']"
FORM_TAG = rf"<(verdict|grade|score|judge?ment)> *{_MENU} *</\1>"
HOLES = r"(?:\{\{\s*\w+\s*\}\}|\{%[^%\n]*%\})(?:\s*(?:\{\{\s*\w+\s*\}\}|\{%[^%\n]*%\}))*"
OUR_HOLES = r"\b(?:criteria|rubric|gold|canary|nonce)\b"
GAMES = (
    r"\b(?:scor\w+|grad\w+|points?|marks?|quiz\w*|exams?|tests?|match\w*|games?|teams?|pupils?|students?|rat(?:ed|"
    r"ing|ings)|"
    r"reviews?\w*|jury|court|claims?|verdicts?|judg\w+|referees?|essays?|checks?|passed|stars?)\b"
)
"""Text about these may end with a verdict of its own."""
ASKED_TO_JUDGE = re.compile(
    r"(?i)\b(?:verdict|grad(?:e|es|ing)|scor(?:e|es|ing)|rat(?:e|ing)|judg\w+|assess\w*|evaluat\w*|review\w*|rank\w*|"
    r"winner|"
    r"which (?:one )?is (?:better|best)|decide|decision|true or false|classify|fact-?check\w*|support(?:ed|s)?|"
    r"bewert\w*|"
    r"beurteil\w*|not(?:e|er|ez)\b|évalu\w*|calific\w*|evalú\w*)\b|评|判"
)
"""A task that asks for a verdict itself: one in the answer is the answer then."""
