package assay_test

import data.assay

_request := {
	"subject": {"type": "user", "id": "ada"},
	"action": {"name": "look"},
	"resource": {"type": "thing", "id": "t-1"},
	"context": {"light": true},
}

_about := [{"path": ["domains", "demo", "eyes", "light"]}, {
	"path": ["domains", "demo", "eyes"],
	"annotations": {
		"scope": "package",
		"title": "Light is on",
		"description": "Looking takes light.",
		"custom": {
			"id": "eyes.light",
			"family": "eyes",
			"controls": ["pci-dss-4.0.1:A1.1.2", "nist-800-53-r5:ac-3.2"],
			"severity": "low",
			"mode": "gate",
		},
	},
}]

_rule := {
	"about": _about,
	"in_scope": true,
	"needs": {"context.light"},
	"satisfied": true,
	"duties": {{"id": "blink"}},
}

_demo(rule) := {
	"terms": {
		"resource_types": {"thing": "something to look at"},
		"facts": {"context.light": "flag"},
	},
	"eyes": {"light": rule},
}

_codes(decision) := {[reason.code, reason.rule] | some reason in decision.reasons}

_absent(decision) := {fact |
	some reason in decision.reasons
	reason.code == "fact_missing"
	reason.rule == "main.request"
	some fact in reason.facts
}

_decision(domains, request) := answer if {
	answer := assay.decision with input as request with data.domains as domains
}

test_satisfied_rule_allows_with_its_duties if {
	_decision({"demo": _demo(_rule)}, _request) == {
		"allow": true,
		"domain": "demo",
		"reasons": [],
		"evaluated": ["eyes.light"],
		"obligations": [{"id": "blink"}],
	}
}

test_violated_rule_denies_with_all_that_its_annotations_say if {
	_decision({"demo": _demo(object.union(_rule, {"satisfied": false}))}, _request) == {
		"allow": false,
		"domain": "demo",
		"reasons": [{
			"code": "rule_violated",
			"rule": "eyes.light",
			"controls": ["nist-800-53-r5:ac-3.2", "pci-dss-4.0.1:A1.1.2"],
			"severity": "low",
			"facts": ["context.light"],
		}],
		"evaluated": ["eyes.light"],
		"obligations": [],
	}
}

test_undefined_or_odd_satisfaction_is_a_violation if {
	every rule in [object.remove(_rule, ["satisfied"]), object.union(_rule, {"satisfied": "yes"})] {
		decision := _decision({"demo": _demo(rule)}, _request)
		decision.allow == false
		_codes(decision) == {["rule_violated", "eyes.light"]}
	}
}

test_missing_fact_denies_and_is_named if {
	decision := _decision({"demo": _demo(_rule)}, object.remove(_request, ["context"]))
	decision.allow == false
	decision.reasons[0].code == "fact_missing"
	decision.reasons[0].facts == ["context.light"]
}

test_rule_out_of_scope_is_not_asked_and_nobody_else_allows if {
	decision := _decision({"demo": _demo(object.union(_rule, {"in_scope": false}))}, _request)
	decision.allow == false
	decision.evaluated == []
	_codes(decision) == {["no_rule_in_scope", "main.scope"]}
}

test_half_written_rule_denies if {
	every part in ["about", "in_scope", "needs"] {
		decision := _decision({"demo": _demo(object.remove(_rule, [part]))}, _request)
		decision.allow == false
		_codes(decision) == {["rule_broken", "eyes.light"], ["no_rule_in_scope", "main.scope"]}
	}
}

test_odd_rule_denies if {
	every change in [{"in_scope": "yes"}, {"needs": set()}, {"needs": {"context.dark"}}, {"needs": 7}, {"about": []}] {
		decision := _decision({"demo": _demo(object.union(_rule, change))}, _request)
		decision.allow == false
		["rule_broken", "eyes.light"] in _codes(decision)
	}
}

test_broken_rule_denies_beside_a_good_one if {
	domain := object.union(_demo(_rule), {"ears": {"open": {"needs": {"context.light"}}}})
	decision := _decision({"demo": domain}, _request)
	decision.allow == false
	decision.evaluated == ["eyes.light"]
	_codes(decision) == {["rule_broken", "ears.open"]}
}

test_fact_of_a_kind_nobody_knows_is_missing if {
	domain := object.union(_demo(_rule), {"terms": {"facts": {"context.light": "colour"}}})
	_codes(_decision({"demo": domain}, _request)) == {["fact_missing", "eyes.light"]}
}

test_unknown_resource_type_denies if {
	decision := _decision({"demo": _demo(_rule)}, object.union(_request, {"resource": {"type": "ghost"}}))
	decision.allow == false
	decision.domain == null
	_codes(decision) == {["resource_type_unknown", "main.domain"]}
	decision.reasons[0].controls == ["nist-800-53-r5:ac-3", "nist-800-53-r5:sc-7.5", "pci-dss-4.0.1:7.3.3"]
}

test_resource_type_of_two_domains_denies if {
	decision := _decision({"demo": _demo(_rule), "other": _demo(_rule)}, _request)
	decision.allow == false
	decision.domain == null
	_codes(decision) == {["resource_type_ambiguous", "main.domain"]}
}

test_request_that_does_not_name_its_parts_denies if {
	every path in [["subject", "type"], ["subject", "id"], ["action", "name"], ["resource", "type"], ["resource", "id"]] {
		every request in [
			json.patch(_request, [{"op": "remove", "path": path}]),
			json.patch(_request, [{"op": "replace", "path": path, "value": null}]),
			json.patch(_request, [{"op": "replace", "path": path, "value": {"a": 1}}]),
			json.patch(_request, [{"op": "replace", "path": path, "value": " "}]),
		] {
			decision := _decision({"demo": _demo(_rule)}, request)
			decision.allow == false
			decision.evaluated == []
			concat(".", path) in _absent(decision)
		}
	}
}

test_input_that_is_no_request_denies if {
	every odd in [null, true, 7, "x", [], {}, {"resource": []}, {"resource": {"type": ["thing"]}}] {
		decision := _decision({"demo": _demo(_rule)}, odd)
		decision.allow == false
		count(decision.reasons) > 0
	}
}

test_no_input_at_all_denies if {
	decision := assay.decision
	decision.allow == false
	["fact_missing", "main.request"] in _codes(decision)
}

test_reasons_are_in_a_fixed_order if {
	domain := object.union(_demo(object.union(_rule, {"satisfied": false})), {"ears": {"open": {"needs": {"x"}}}})
	decision := _decision({"demo": domain}, _request)
	[reason.rule | some reason in decision.reasons] == ["ears.open", "eyes.light"]
}

test_every_folder_of_a_domain_can_be_asked if {
	every type in ["charge", "todo"] {
		request := object.union(_request, {"resource": {"type": type}})
		decision := assay.decision with input as request
		count([reason | some reason in decision.reasons; reason.code == "rule_broken"]) == 0
		count(decision.evaluated) > 0
	}
}

test_a_parameter_that_is_gone_never_allows if {
	request := object.union(_request, {"resource": {"type": "charge"}})
	decision := assay.decision with input as request with data.domains.payment.terms.calls as {}
	decision.allow == false
	["rule_broken", "account_data.pan_display"] in _codes(decision)
}
