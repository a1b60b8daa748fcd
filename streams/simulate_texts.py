"""What the simulated customers write and what the assistant answers: tables of sentence patterns.

In a pattern ``[a|b|]`` is a choice, here also of nothing; ``{slot}`` a detail that stays the same throughout a call;
``#`` in a slot a random digit; ``*words*`` a name on the screen. The first mark of a line in ``SCRIPT`` says its part:
``#`` a topic and its share of ordinary traffic, ``?`` a question, ``.`` a circumstance, ``=`` the gist of an answer,
``-`` a step, ``!`` a remark. The company, its products and its plans are invented.
"""

SLOTS = {
    "product": "Glow lamp|Tindrel Hub|door sensor|Chime doorbell|Breeze thermostat|garden camera|smart plug",
    "device": "phone|tablet|laptop|work computer|new phone|old tablet",
    "pad": "PowerPad|charging pad|PowerPad charger",
    "batch": "PP-1#|PP-2#|PP-3#|PP-4#",
    "plan": "Basic|Family|Plus|Studio|Duo",
    "order": "TD-#####",
    "amount": "$1#.90|$2#.50|$3#.95|$4#.00|$6#.90|$8#.25|$1##.00",
    "street": "1# Alder Row|4# Mill Lane|2## Harbour Street|7# Orchard Way|3# Station Road|9# Quarry Hill",
    "error": "Something went wrong (E##)|Device not found|Connection lost|Error 5##|Update failed|Please try later",
    "when": "yesterday|this morning|last night|on Monday|on Thursday|over the weekend|two days ago|last week",
    "day": "yesterday|this morning|last night|Monday|Thursday|Saturday|last week",
    "span": "three days|a week|ten days|two weeks|a month|almost five weeks|half a year",
    "month": "January|February|March|June|August|October|November|December",
    "count": "two|three|four|five|six|seven|a dozen",
    "where": "on my {device}|in the app|on the website|",
    "how": "How do I|How can I|Where can I|What is the easiest way to",
    "help": "what can I do|what should I do|any idea|can you help|what now|could you look into it",
    "second_factor": "two-factor login|two-step verification|the authenticator",
    "name": "Ana|Jonas|Priya|Marek|Leila|Tom|Ingrid|Samuel|Noor|Chloe|Diego|Hana|Mr Okafor|Mrs Lindqvist",
}

GREETING = "[Hi|Hello|Hey|Hi there|Good morning|Good evening|Dear support|Hi, {name} here|Hello, this is {name}]"
THANKS = "[Thanks|Thank you|Thanks in advance|Many thanks, {name}|Cheers|Kind regards, {name}|Best, {name}|Please help]"

# the assistant's own slots: in the words of the first model, in the words of the second
VERBS = {
    "can": ("You can", "[You're able to|You'll be able to]"),
    "open": ("[open|go to]", "[head over to|navigate to]"),
    "pick": ("[choose|select]", "[tap on|click]"),
    "type": ("[enter|fill in]", "[type in|provide]"),
    "check": ("[check|look at]", "[take a quick look at|double-check]"),
    "contact": ("[contact|write to]", "[reach out to|get in touch with]"),
}

SCRIPT = """
# password 1.2
? {how} [reset|change|replace|recover] my password [on my {device}|in the app|from the website|]?
? I [forgot|can't remember|have lost] my password [again|after {span} away|for the app], {help}?
? The [reset email|password reset link] [never arrives|isn't coming], [can you send it again|what can I do]?
? The reset link [says it has expired|was already used], how do I get [a new one|another link]?
? Why [does the app reject|won't the site accept|is your form refusing] my new password {where}?
? [Can|Could] you [send me a temporary password|set a new password for me|reset the password of my account], please?
. I [asked for|requested] a reset [twice|three times|four times] {when} [without any luck|and then gave up].
. I looked in the spam folder [too|on my {device} as well], [nothing there|it is empty|no sign of it].
. My password manager [saved the wrong one|lost the entry|keeps filling in the old one on my {device}].
. It [insists|complains|says] that the new password is [too short|too weak|too similar to the last one] {where}.
= {can} [set|choose] a new password yourself[, it takes about two minutes| at any time|].
= Each new reset link [replaces|cancels] the one before, so only the latest email works.
= A password needs at least twelve characters[, one of them a digit| and must differ from your last five|].
- {open} the sign-in page and {pick} *Forgot password*
- {type} the email address that belongs to your account
- {check} your inbox, and the spam folder, for a message from Tindrel
- {pick} the link in that message within thirty minutes
- {type} the new password twice and {pick} *Save*
- update the entry in your password manager so that the old one is not filled in
- sign out of all other devices under *Account > Security*
! For your safety we [cannot see|never see] passwords and [cannot set|never choose] one for you.
! Reset links stop working after thirty minutes or after the first use.
# refund 1.4
? {how} [get a refund for|send back|return] [my|the] {product} [from order {order}|that I bought {when}|]?
? When will I [get|see|receive] [my money|the {amount}|the refund of {amount}] [back|on my card|in my bank account]?
? I [returned|sent back] the {product} {when}, [where is my refund|has the refund been started]?
? Can I [still return|still send back|get my money back for] [a {product}|an opened {product}] after {span}?
? You only refunded [part of the price|{amount}], [why is that|when does the rest come|is this correct]?
? [Do you|Will you] refund [the shipping|return postage|the full {amount}] [if I changed my mind|for order {order}]?
. The order number is {order}[ and I paid {amount}| if that helps|].
. The {product} [does not suit our home|was a gift nobody needs|is not what I expected|is bigger than I thought].
. I [dropped the parcel off|handed the return to the courier] {when} [and kept the receipt|].
. My [bank|card] shows [nothing so far|no credit yet|only a pending entry] [after {span}|].
= {can} return anything within thirty days of delivery and get the [full price|whole amount] back.
= Your refund [starts|is started] as soon as the warehouse has scanned the parcel.
= The {product} can be returned [unused or opened|in its box or a similar one], and we pay the purchase price back.
- {open} *Orders* and {pick} the item that goes back
- {pick} a reason and {pick} *Create return label*
- pack the {product} with its cable and accessories
- hand the parcel in within fourteen days and keep the receipt
- {check} the progress under *Orders > Returns*
- allow three to five working days for the money once the return is scanned
- {contact} your bank if the credit is not visible after ten working days
! Refunds always go back to the method you paid with.
! Shipping is refunded when the item was faulty or we sent the wrong one.
# delivery 1.4
? [Where is|What happened to|Can you find] my [parcel|package|order {order}|{product}]?
? When will [my order|order {order}|the {product} I ordered {when}] [arrive|be delivered|finally get here]?
? The tracking [has not moved|shows no change|says "in transit"] for {span}, [is it lost|what is going on]?
? The courier says [it was delivered|nobody was home] {when} but [there is no parcel|I have nothing], {help}?
? [Can|Could] I [pick the parcel up myself|choose another delivery day] [for order {order}|for my {product}|]?
? How long does [shipping|delivery] of [a {product}|{count} items|order {order}] [usually|normally] take [in {month}|]?
. The order number is {order}.
. The tracking page [stays blank|shows the depot since {day}|gives a new date every day|just says delayed].
. I [waited at home|stayed in all day|took a day off] {when} and [nobody came|no van showed up].
. [Only half of the order came|One of {count} boxes is missing|The box arrived crushed].
= Most parcels [arrive|are delivered] within two to four working days.
= Your parcel [is with the courier|has left our warehouse], and the tracking page [is updated|changes] at each depot.
= Order {order} [has left our warehouse|is on its way], and the courier decides on the exact hour.
- {open} *Orders* and {pick} *Track parcel* for the latest scan
- ask your neighbours and look where the driver may have left it
- {pick} *Change delivery* to name another day or a pick-up shop
- call the courier at the number printed in the shipping email
- tell us if there is no new scan after three working days and we open a search
- send a photo of the box if the {product} or its packaging is damaged
- ask for a replacement or your money back when the search finds nothing
! Deliveries take about two days longer around public holidays.
! A search by the courier takes up to five working days.
# invoice 1.1
? [Where can I find|How do I download|Can you send me] the invoice for [order {order}|{month}|my {product}]?
? Why [was I charged|did you charge me|is there a charge of] {amount} [in {month}|twice|{when}|on my card]?
? [Can you|Could you] [add|put] our [company name|tax number|VAT number] [on|to] the invoice [of {month}|]?
? The invoice [of {month}|for order {order}] [shows the wrong amount|has no tax on it], can you [correct|replace] it?
? {how} [change the billing date|pay by bank transfer|update my card|replace the card on file] for the {plan} plan?
? Is the [charge|bill|payment] of {amount} [from {month}|dated {day}|] [for a {product}|really mine]?
. My accountant needs [it|the document|a proper PDF] [by Friday|before the end of {month}|for the tax return].
. My bank statement [lists|shows] {amount} [from {day}|twice|with no order number].
. I [pay for|am on] the {plan} plan[ and expected less| with yearly billing|].
. We are a [small company|school|charity|two-person office] with {count} [devices|seats|invoices a month].
= Every invoice is stored in your account as a PDF.
= The charge [covers|is for] the period shown at the top of the invoice[, tax included|].
= The {plan} plan is billed in advance, so the amount for {month} is for the month that follows.
- {open} *Account > Billing* and {pick} *Invoices*
- {pick} the month you need and {pick} *Download PDF*
- {type} your company name and tax number under *Billing details*
- compare the amount with the plan shown under *Subscription*
- {pick} *Replace card* to store a new means of payment
- {pick} *Request correction*, and the new invoice arrives by email
- forward the PDF to your accountant straight from the same page
! A pending charge that is not completed disappears from the statement within a week.
! Corrections can be made for invoices of the last twelve months.
# cancel 1.0
? {how} [cancel|end|stop] my [subscription|{plan} plan|membership] [before it renews|right away|in the app]?
? Can I [pause|freeze] [my subscription|the {plan} plan] for [{span}|a while] instead of [cancelling|ending it]?
? If I cancel [today|in {month}|the {plan} plan], [what happens to my recordings|do I lose my settings]?
? I cancelled {when} [but was renewed anyway|and got no confirmation], [why|can you check]?
? [What is|How long is] the notice period [for the {plan} plan|of my contract|if I pay yearly]?
? Please [cancel my contract|do not renew my membership] [in {month}|], [can you confirm|is this message enough]?
. I [no longer|hardly] use [it|the extra features|the recordings] [since {month}|since we moved|].
. The {plan} plan has [become too expensive|more features than I need|gone up to {amount}].
. I [moved in with someone|switched to another provider|sold the {product}] {when}.
. The cancel button [is greyed out|leads nowhere|is nowhere to be found] on my {device}.
= {can} cancel at any time, and the plan [runs until|stays active to] the end of the paid period.
= A cancelled plan is [not renewed|never renewed], and there is no fee for leaving.
= {can} pause the {plan} plan for up to three months instead of ending it.
- {open} *Account > Subscription* and {pick} *Manage plan*
- {pick} *Cancel plan* and give a reason if you like
- {pick} *Pause* if you only need a break
- {check} that the page shows the end date of your plan
- download recordings that you want to keep before that date
- keep the confirmation email that arrives within an hour
- use the website if the button does not react on your {device}
! Your devices keep their basic functions without a plan.
! Yearly plans can be ended with a partial refund in the first fourteen days.
# upgrade 0.9
? What [do I get|is included|is the difference] [with|in] the {plan} plan [for {count} people|exactly]?
? {how} [upgrade|switch|move] to the {plan} plan [in the middle of {month}|from my {device}|without paying twice]?
? How much [does the {plan} plan cost|more would {plan} be|is it] [for {count} users|per year|if I pay yearly]?
? [Is there|Do you have] a [discount|family price|free trial] for the {plan} plan [in {month}|with {count} members|]?
? Does the {plan} plan [support {count} homes|keep recordings for {span}|include video history]?
? I [upgraded|moved to {plan}] {when} but [the new features are missing|nothing changed], [why|what did I miss]?
. We [have|just bought] {count} [cameras|lamps|sensors] [and a {product}|at home|in two flats].
. I am [happy with the free version|on the smallest plan|on a trial until {month}] [so far|].
. My [family|flatmates|colleagues] would like [their own logins|shared scenes] [for the {product}|].
. Your page mentions {amount} [a month|for the first year] [but the app says something else|].
= {can} change to a bigger plan at any moment and pay only the difference[ for the days that remain|].
= The {plan} plan [adds|brings] longer video history, shared access and priority support.
= Yearly billing is [two months cheaper|the cheapest choice], and every plan can be tried for fourteen days.
- {open} *Account > Subscription* and {pick} *Compare plans*
- {pick} the plan and the number of homes that you need
- {pick} *Upgrade* and confirm the price that is shown
- close the app on your {device} and start it again so that new features appear
- invite the others under *Members*
- {check} the limit of cameras listed for each plan
- {pick} *Start trial* to test everything before paying
! Moving down to a smaller plan takes effect with the next bill.
! Scenes, rooms and recordings stay as they are when you change plan.
# fault 1.4
? My {product} [keeps losing the connection|goes offline every night|no longer reacts|blinks red], {help}?
? The app [crashes|freezes|closes itself] [when I open the {product}|at startup|since {day}] {where}, {help}?
? Why [does|would] the {product} [show "{error}"|lose its schedule|switch on by itself|report the wrong temperature]?
? {how} [factory reset|restart|re-pair|update] [the|a|our] {product} [after a failed update|from my {device}|]?
? Since the update [{when}|in {month}] the {product} [is very slow|drains its battery], {help}?
? I get "{error}" [when pairing|whenever I open|after restarting] [the|my] {product}, {help}?
. I [restarted|unplugged|reset] [it|everything|the router] [{count} times|{when}] [without success|].
. It [worked fine|ran without trouble] for {span} [until {day}|].
. The [light on the front|status ring] is [blinking red|solid orange|off|pulsing blue].
. My {device} runs the latest [version of the app|system update] [and bluetooth is on|].
= This [usually|mostly] happens when the device has lost its link to the wifi[ after an update|].
= The message "{error}" [means|tells us] that the app cannot reach the device at the moment.
= The {product} can be brought back by a restart in most cases[, and settings are kept|].
- unplug the {product}, wait ten seconds and plug it in again
- restart the router and wait until its lights are steady
- {open} *Devices* and {pick} *Check for updates*
- remove the device in the app and {pick} *Add device* to pair it again
- hold the small button for eight seconds until the light blinks white
- {open} *Help > Send log* on your {device} so that we can look at the details
- {contact} us for a replacement if the light stays red
! A factory reset removes schedules, so write them down first.
! Devices need the 2.4 GHz band, which some routers switch off.
# privacy 0.7
? What [data|information|recordings] do you [store|keep|collect] [about me|about my family] [and where|]?
? {how} [delete|erase|get a copy of] [all my data|my recordings|everything you hold on me|my voice history]?
? [Do you|Does Tindrel] [share|sell|pass on] [video|personal data|voice clips] [to advertisers|with the police|]?
? Who can [watch|access|see] the [video|recordings|pictures] of my {product} [at your company|in the cloud|besides me]?
? Is the [video|sound|data] of the {product} [encrypted|stored abroad|used to train anything|kept after {span}]?
? How do I [switch off|object to|opt out of] [analytics|personalised tips|usage statistics] {where}?
. I [read|heard|saw] {when} that [companies like yours keep clips|recordings can leak|some makers share data].
. We have [small children|guests|tenants|a nanny] in the house [and I want to be careful|].
. I am [making a formal access request|not comfortable with it], [please reply in writing|].
. I sold the {product} {when} and [want nothing of mine left on it|the new owner has it now].
= Recordings belong to you, and they are [encrypted|scrambled] before they leave your home.
= We keep [clips|recordings] for thirty days and account data as long as the account exists.
= We [do not sell|never sell] personal data, and no advertiser receives any.
- {open} *Privacy > My data* to see everything that we store
- {pick} *Download a copy*, and an archive is ready within two days
- {pick} *Delete recordings* and confirm with your password
- switch off *Usage statistics* for each member of the household
- set *Keep recordings* to seven days or to never
- factory reset the {product} before you hand it to somebody else
- {contact} our data protection officer for a formal answer
! Deleted recordings cannot be restored, not even by us.
! Staff can look at a clip only when you share it with a support case.
# twofactor 1.0
? The [six-digit code|login code] [never arrives|comes too late] [on my {device}|since {day}|], {help}?
? {how} [move|transfer|set up] {second_factor} [to|on] my {device}?
? I [lost|broke|replaced] the phone that gets my [codes|login codes] {when}, [how do I sign in now|am I locked out]?
? [Where do I find|Can you send me|How do I make new] backup codes for {second_factor}?
? {how} [turn off|disable|switch on] two-factor login [for my family|on a shared {device}|for {count} members|]?
? Why do you [ask for a code|want a second factor|send a text message] [every time|each morning|even on my {device}]?
. My phone number [changed|was ported] {when} [and the old one is gone|].
. I [typed|tried] the code {count} times [and now the login is blocked|before it ran out|].
. The authenticator [shows a code|works for other sites|was wiped with the {device}] [but yours fails|].
. The clock on my {device} is [right|set automatically], [I checked|so that is not it].
= Codes are valid for thirty seconds, and the clock of your phone has to be right.
= {can} sign in with one of your backup codes [when|if] the phone is not at hand.
= Two-factor login can be moved to [a new phone|another device] from any device that is still signed in.
- {pick} *Use another method* on the code screen
- {type} one of the ten backup codes from your first set-up
- {open} *Account > Security* and {pick} *Two-factor login*
- scan the new square code with the authenticator on your {device}
- switch on automatic time in the settings of your phone
- {pick} *Make new backup codes* and keep them on paper
- {contact} us with a photo of a bill so that we can verify that the account is yours
! We never ask for a code by phone or email.
! Verifying your identity takes one working day.
# address 0.9
? {how} [change|update|correct] [my address|the shipping address|the delivery address] [in my account|to {street}|]?
? I am moving [to {street}|in {month}|next month], [how do I tell you|what do I have to change]?
? I [typed|entered|left] the wrong [street|postcode] for order {order}, can you [fix it|change it before it ships]?
? Can you [send it|ship order {order}|send the {product}] to {street} instead [of my old flat|of home|]?
? Is it [possible|too late] to [add a second address|ship to my office] [for order {order}|at {street}|]?
? Why does the form [reject|not accept|not know] [my new address|{street}|our house number] {where}?
. We [move|moved] house {when} [and nobody lives at the old place|].
. The new [address|place] is {street}[, second floor|, same town|, ring at the back|].
. The account still shows [the old street|my parents' house|a flat I left {span} ago].
. I ordered [a {product}|it] {when} and only then [noticed|saw] the [old address|typo].
= {can} change the address of an order until it is [packed|handed to the courier].
= The address in your account is used for [new orders only|every order from now on].
= We can send it to {street} [if|as long as] the parcel has not left the warehouse.
- {open} *Account > Addresses* and {pick} *Add address*
- {type} the street, the house number and the postcode
- {pick} *Use as default* so that new orders go there
- {open} the order and {pick} *Change address* while it is still being prepared
- {check} the billing address as well, as it is kept apart
- {pick} a pick-up shop near the new place if the parcel is on its way
- reply with the correct line if the form does not know your street
! Once a parcel has left, only the courier can change where it goes.
! Old addresses stay on old invoices, as the law requires.
# recall 0.0
? Is my {pad} [part of the recall|from batch {batch}|affected], and [how do I check|where is the serial number]?
? My {pad} [got burning hot|started to smell of smoke|melted the table|scorched a cable] {when}, {help}?
? I [saw|heard] on the news [{when}|] that your chargers [overheat|burn], should I [unplug mine|throw it away]?
? [How do I get|Where do I claim] [a replacement|a new charger|my money] for the recalled [PowerPad|charging pad]?
? {how} [send back|dispose of|hand in] an overheating {pad} [with a swollen battery|safely|without posting it]?
? Can I [keep using|still charge my phone on|sell] the {pad} [at low power|if it only gets warm]?
. The [plug|surface|cable end] was [too hot to touch|brown and warped|smoking] after [ten minutes|an hour|one night].
. The batch number [on the back|under the rubber foot] is {batch}.
. It left a [burn mark|scorched ring|black stain] on [the nightstand|my desk|the carpet|the windowsill].
. We have [{count} of these chargers|one in the nursery|two PowerPads in the office] [and are worried|].
= Please unplug the PowerPad now and do not use it again, as it can overheat.
= PowerPads of batches PP-10 to PP-48 are recalled [and replaced free of charge|because the battery can overheat].
= {can} choose between a [free replacement|safe new charger] and your money back, with no receipt needed.
- unplug the charger and let it cool on stone or metal, away from curtains
- read the batch number under the rubber foot
- {open} the *Recall* page and {type} the batch number
- {pick} *Replacement* or *Money back*
- wait for the fireproof bag that we send within three days
- put the charger in the bag and hand it to the courier, never in a normal parcel
- {contact} the recall line at once if anybody was hurt or something was burnt
! Do not put a damaged battery into household waste.
! Damage by an overheated charger is paid for, so please take photos.
"""
