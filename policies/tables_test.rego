# What the tests of all domains share: what a rule said of a request, and whether each fact it needs is really needed.
package assay.tables_test

# "allowed" only if the whole decision allows, so that a test of one rule shows the others at peace with the request.
verdict(rule, request) := "out_of_scope" if {
	decision := data.assay.decision with input as request
	not rule in decision.evaluated
	not rule in {reason.rule | some reason in decision.reasons}
}

verdict(rule, request) := "allowed" if {
	decision := data.assay.decision with input as request
	decision.allow
	rule in decision.evaluated
}

verdict(rule, request) := reason.code if {
	decision := data.assay.decision with input as request
	not decision.allow
	some reason in decision.reasons
	reason.rule == rule
}

# The request is allowed, the rule needs `number` facts, and without any of them the rule denies and names it.
needs_are_needed(domain, rule, request, number) if {
	verdict(rule, request) == "allowed"
	[family, name] := split(rule, ".")
	needs := data.domains[domain][family][name].needs with input as request
	count(needs) == number
	every fact in needs {
		every spoilt in _spoilt(request, fact) {
			_names_missing(rule, fact, spoilt)
		}
	}
}

changed(request, changes) := json.patch(
	request,
	[{"op": "add", "path": split(path, "."), "value": value} | some path, value in changes],
)

# Absent, null, and of no kind that any fact may have.
_spoilt(request, fact) := {
	json.patch(request, [{"op": "remove", "path": split(fact, ".")}]),
	changed(request, {fact: null}),
	changed(request, {fact: {"not": "a fact"}}),
	changed(request, {fact: [7]}),
}

_names_missing(rule, fact, request) if {
	decision := data.assay.decision with input as request
	decision.allow == false
	some reason in decision.reasons
	fact in reason.facts
	_speaks_for(reason, rule, fact)
}

_speaks_for(reason, rule, _) if {
	reason.rule == rule
	reason.code == "fact_missing"
}

# Without the type, the action or the subject no rule can be asked: main itself denies.
_speaks_for(reason, _, fact) if {
	reason.rule == "main.request"
	fact in {"subject.id", "action.name", "resource.type"}
}
