package assay.result_test

import data.assay.result

_about := {
	"title": "Light is on",
	"description": "Looking takes light.",
	"custom": {
		"id": "eyes.light",
		"family": "eyes",
		"controls": ["pci-dss-4.0.1:8.2.8", "nist-800-53-r5:ac-2.3"],
		"severity": "low",
		"mode": "gate",
	},
}

_with(custom) := object.union(_about.custom, custom)

test_reason_is_made_of_the_annotations if {
	result.reason(_about, "rule_violated", {"b", "a"}) == {
		"code": "rule_violated",
		"rule": "eyes.light",
		"controls": ["nist-800-53-r5:ac-2.3", "pci-dss-4.0.1:8.2.8"],
		"severity": "low",
		"facts": ["a", "b"],
	}
}

test_annotations_are_those_of_the_package if {
	chain := [
		{"path": ["x", "about"]},
		{"path": ["x", "about"], "annotations": {"scope": "document", "title": "no"}},
		{"path": ["x"], "annotations": {"scope": "package", "title": "yes"}},
	]
	result.annotations(chain).title == "yes"
}

test_full_annotations_describe_the_rule if result.described(_about.custom, "eyes", "light")

test_annotations_of_another_folder_do_not if {
	not result.described(_about.custom, "eyes", "colour")
	not result.described(_about.custom, "ears", "light")
}

test_poor_annotations_do_not if {
	every custom in [
		{"id": "light"},
		{"family": "ears"},
		{"mode": "detect"},
		{"severity": "odd"},
		{"controls": []},
		{"controls": null},
		{"controls": ["8.2.8"]},
		{"controls": ["nist-800-53-r5:AC-2(3)"]},
		{"controls": ["pci-dss-4.0.1:8.2.8", "pci-dss-3.2.1:8.1.8"]},
	] {
		not result.described(_with(custom), "eyes", "light")
	}
}
