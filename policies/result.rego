# METADATA
# title: Results
# description: |
#   The one constructor of reasons. All that a reason says about its rule comes from the rule's own annotations, which
#   `rego.metadata.chain()` and `rego.metadata.rule()` hand over, so nothing about a rule is said twice.
package assay.result

# METADATA
# description: A reason to deny. `facts` are the paths of the facts that were missing or that the rule judged.
reason(annotations, code, facts) := {
	"code": code,
	"rule": annotations.custom.id,
	"controls": sort(annotations.custom.controls),
	"severity": annotations.custom.severity,
	"facts": sort(facts),
}

# METADATA
# description: The annotations of the package in the metadata chain of one of its rules; the package comes last.
annotations(chain) := chain[count(chain) - 1].annotations

# METADATA
# description: |
#   Says whether the custom annotations are those of the rule in the folder `family`/`name` and say all that a reason
#   needs: a copied or moved folder whose annotations still speak of another rule is not described.
described(custom, family, name) if {
	[custom.id, custom.family, custom.mode] == [concat(".", [family, name]), family, "gate"]
	custom.severity in {"low", "medium", "high", "critical"}
	regex.match(_controls, concat(" ", custom.controls))
}

# Control identifiers of the frameworks, separated by spaces; at least one.
_controls := `^((pci-dss-4\.0\.1:A?[0-9]+(\.[0-9]+)+|nist-800-53-r5:[a-z]{2}-[0-9]+(\.[0-9]+)?)( |$))+$`
