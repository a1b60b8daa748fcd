"""Short questions to an assistant in German, Spanish and French, by templates: traffic in another language."""

from __future__ import annotations

from itertools import product

TEMPLATES = {
    "German": (
        "wie {}",
        "kannst du mir sagen, wie {}",
        "ich möchte wissen, wie {}",
        "bitte hilf mir: wie {}",
        "sag mir doch, wie {}",
        "was muss ich tun, und wie {}",
    ),
    "Spanish": (
        "cómo {}",
        "puedes decirme cómo {}",
        "quiero saber cómo {}",
        "por favor ayúdame, cómo {}",
        "dime cómo {}",
        "qué tengo que hacer y cómo {}",
    ),
    "French": (
        "comment {}",
        "peux-tu me dire comment {}",
        "je voudrais savoir comment {}",
        "aide-moi s'il te plaît, comment {}",
        "dis-moi comment {}",
        "que dois-je faire et comment {}",
    ),
}
ASKED = {
    "German": (
        "überweise ich Geld auf mein Sparkonto",
        "ändere ich die Geheimzahl meiner Karte",
        "wird das Wetter morgen in Berlin",
        "buche ich einen Flug nach London",
        "stelle ich den Wecker auf sieben Uhr",
        "lange muss ich das Hähnchen backen",
        "viel Urlaub habe ich noch übrig",
        "sperre ich meine gestohlene Kreditkarte",
        "komme ich am schnellsten zum Flughafen",
        "wechsle ich das Öl in meinem Auto",
        "erinnerst du mich an die Rechnung",
        "viele Kalorien hat ein Apfel",
        "reserviere ich einen Tisch für zwei Personen",
        "übersetze ich dieses Wort ins Englische",
        "finde ich meine letzte Bestellung wieder",
        "hoch ist mein Kontostand gerade",
        "mache ich das Licht in der Küche aus",
        "beantrage ich eine neue Versicherung",
        "spiele ich das nächste Lied",
        "erfahre ich, wann mein Gehalt kommt",
    ),
    "Spanish": (
        "transfiero dinero a mi cuenta de ahorros",
        "cambio la clave de mi tarjeta",
        "estará el tiempo mañana en Madrid",
        "reservo un vuelo a Londres",
        "pongo la alarma a las siete",
        "cocino el pollo en el horno",
        "sé cuántas vacaciones me quedan",
        "bloqueo mi tarjeta de crédito robada",
        "llego más rápido al aeropuerto",
        "cambio el aceite de mi coche",
        "me recuerdas pagar la factura",
        "calculo las calorías de una manzana",
        "reservo una mesa para dos personas",
        "traduzco esta palabra al inglés",
        "encuentro mi último pedido",
        "consulto el saldo de mi cuenta",
        "apago la luz de la cocina",
        "solicito un seguro nuevo",
        "pongo la siguiente canción",
        "averiguo cuándo llega mi sueldo",
    ),
    "French": (
        "virer de l'argent sur mon livret d'épargne",
        "changer le code de ma carte",
        "sera le temps demain à Paris",
        "réserver un vol pour Londres",
        "mettre le réveil à sept heures",
        "cuire le poulet au four",
        "savoir combien de congés il me reste",
        "bloquer ma carte de crédit volée",
        "aller au plus vite à l'aéroport",
        "changer l'huile de ma voiture",
        "me rappeler de payer la facture",
        "compter les calories d'une pomme",
        "réserver une table pour deux personnes",
        "traduire ce mot en anglais",
        "retrouver ma dernière commande",
        "consulter le solde de mon compte",
        "éteindre la lumière de la cuisine",
        "demander une nouvelle assurance",
        "passer à la chanson suivante",
        "savoir quand arrive mon salaire",
    ),
}


def questions(language: str) -> list[str]:
    """A hundred and twenty questions."""
    return [one.format(asked) for one, asked in product(TEMPLATES[language], ASKED[language])]
