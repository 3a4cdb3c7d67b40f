// Package analyze is the built-in analyser of conversations: deterministic,
// without a network and without a model, for English and Russian. It says what
// a conversation was about and how it went, and quotes the sentence that proves
// each judgement.
//
// # How it works
//
//	utterances ─► detect language ─► one pass over the text ──────────► judgements ─► prose, evidence
//	                                 sentence ► tokens ► stems
//	                                 phrases of all rules by one trie
//	                                 negations, feelings, numbers
//
// Everything it knows of the language stands in the rules, YAML files in
// rules/en and rules/ru that are built into the program. A file of the same
// name in the folder EARSHOT_RULES (en/topics.yaml, ...) replaces the built-in
// one as a whole; the others stay. A mistake in a file stops the start with the
// file, the line and what is wrong.
//
//	sentiment.yaml   words of feeling with weights, negations, moods
//	topics.yaml      topics           reasons.yaml     typical cases and how to tell them
//	tags.yaml        tags             products.yaml    products and services
//	signals.yaml     risks, sales signals, funnel stages, urgency
//	resolution.yaml  how a conversation ends
//	operator.yaml    deeds, promises and manners of the operator
//	notes.yaml       root causes, decision drivers, obstacles
//	checklist.yaml   the default checklist, and how own questions are answered
//	script.yaml      the default script
//	entities.yaml    words around numbers; words without content
//	prose.yaml       the sentences of the analysis
//
// # Phrases
//
// Rules find phrases inside one sentence of one speaker:
//
//	refund            any form of the word (compared by Snowball stem)
//	=good             exactly this form
//	disappoint*       any word that begins so
//	(a|b c)           one of these; (a|b)? or word? may be missing
//	send .. link      up to three words of any kind between
//	<num>             any number
//
// Capitals, ё and е, and contractions ("I'll" is "i will") make no difference.
// A rule may also say who must speak (who: customer, operator, any), which
// phrases in the same sentence take it away (unless) or are needed as well
// (with), that its words mean just their form (exact), and that "not" before
// it takes it away (denied; risks, cases, promises and deeds always do so).
// The same lists of fields hold for all files; comments in each explain the
// rest.
//
// # Non-obvious
//
//   - A speaker of unknown role is never shown as known, but each such turn is
//     read as the operator's or the customer's when its words tell (roles in
//     operator.yaml), and as either's when they do not.
//   - "Not going to cancel" takes back a risk, "can't cancel" does not: the
//     negations of being able are listed apart (inability).
//   - Russian verbs of different person share a stem (исправил, исправим), so
//     rules for deeds and promises say exact: true.
//   - A promise that is open (call back, repair) keeps the resolution at
//     partially_resolved even when the customer says thank you.
//   - No speech gives no scores, no checklist and no script alignment: a zero
//     would be read as a bad mark.
//   - Sentences are cut at 256 tokens when there is no punctuation, and all
//     lists are bounded, so 10 MB in one line need little more memory than the
//     text itself.
package analyze
