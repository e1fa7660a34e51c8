package assay.facts_test

import data.assay.facts

# Values of each kind, and values that are not.
_good := {
	"text": ["a", " a "],
	"flag": [true, false],
	"count": [0, 7, 1e3],
	"time": [1, 1764000000],
	"names": [[], ["a", "b"]],
	"list": [[], [{}], [{"a": 1}]],
}

_bad := {
	"text": [null, "", "  ", 7, true, [], {}],
	"flag": [null, "true", 1, [], {}],
	"count": [null, -1, 1.5, "7", true, [], {}],
	"time": [null, 0, -1, 1.5, "1764000000", [], {}],
	"names": [null, "a", [""], [" "], [null], ["a", 7], {}],
	"list": [null, "a", [null], [[]], ["a"], {}],
}

_missing(kind, value) if not _has(kind, value)

_has(kind, value) if facts.has("context.x", kind) with input as {"context": {"x": value}}

_declared contains kind if {
	some domain, path
	kind := data.domains[domain].terms.facts[path]
}

test_every_kind_that_a_domain_declares_has_examples if {
	every kind in _declared {
		count(_good[kind]) * count(_bad[kind]) > 0
	}
}

test_value_of_its_kind_is_there if {
	every kind, values in _good {
		every value in values {
			_has(kind, value)
		}
	}
}

test_value_of_no_or_another_kind_is_missing if {
	every kind, values in _bad {
		every value in values {
			_missing(kind, value)
		}
	}
}

test_fact_of_an_unknown_kind_is_missing if _missing("colour", "red")

test_path_through_something_else_is_missing if {
	every odd in [{}, {"context": null}, {"context": "x"}, {"context": ["x"]}] {
		not facts.has("context.x", "text") with input as odd
	}
}

test_call_is_type_and_name if {
	facts.call == "charge.capture" with input as {"resource": {"type": "charge"}, "action": {"name": "capture"}}
}
