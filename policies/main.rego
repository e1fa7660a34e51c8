# METADATA
# title: The decision
# description: |
#   The only door. It finds the domain that declares the resource type, asks every rule of that domain and denies unless
#   all of those in scope are satisfied. Nothing here names a domain, a family or a rule: a new one is a new folder.
#
#   A domain's data declares, under `terms`, its `resource_types` and, in `facts`, the kind of every fact that its
#   rules may need.
#   A rule is a package `domains.<domain>.<family>.<rule>` with four names:
#   - `about`      its metadata chain, from which every reason is made
#   - `in_scope`   true or false, from what every request has: subject type, resource type, action name
#   - `needs`      the set of paths of the facts it must see; it may grow with the value of another needed fact
#   - `satisfied`  true when the facts fulfil the obligation; anything else is a violation
#   and, if it wishes, `duties`: objects with an `id` that the gateway must carry out when the call is allowed.
package assay

import data.assay.facts
import data.assay.result

# METADATA
# description: The answer. It is defined for every input, even for none.
# entrypoint: true
decision := {
	"allow": allow,
	"domain": domain,
	"reasons": sort(reasons),
	"evaluated": sort({_id(rule) | some rule in _in_scope}),
	"obligations": sort({duty | allow; some rule in _in_scope; some duty in _duties(rule)}),
}

# METADATA
# scope: document
# description: True only if at least one rule was asked and nothing speaks against the call.
default allow := false

allow if {
	count(_in_scope) > 0
	count(reasons) == 0
}

# METADATA
# scope: document
# description: The one domain that declares the resource type; null when there is none or more than one.
default domain := null

domain := name if {
	count(_domains) == 1
	some name in _domains
}

# METADATA
# scope: document
# description: Everything that speaks against the call.

# METADATA
# scope: rule
# title: A request names its subject, action and resource
# custom:
#   id: main.request
#   controls: [pci-dss-4.0.1:7.3.3, nist-800-53-r5:ac-3, nist-800-53-r5:sc-7.5]
#   severity: high
reasons contains result.reason(rego.metadata.rule(), "fact_missing", absent) if {
	not _complete
	absent := {path | some path, kind in _request; not facts.has(path, kind)}
}

# METADATA
# scope: rule
# title: A resource type belongs to a domain
# custom:
#   id: main.domain
#   controls: [pci-dss-4.0.1:7.3.3, nist-800-53-r5:ac-3, nist-800-53-r5:sc-7.5]
#   severity: high
reasons contains result.reason(rego.metadata.rule(), "resource_type_unknown", {"resource.type"}) if {
	count(_domains) == 0
}

# METADATA
# scope: rule
# title: A resource type belongs to one domain only
# custom:
#   id: main.domain
#   controls: [pci-dss-4.0.1:7.3.3, nist-800-53-r5:ac-3, nist-800-53-r5:sc-7.5]
#   severity: high
reasons contains result.reason(rego.metadata.rule(), "resource_type_ambiguous", {"resource.type"}) if {
	count(_domains) > 1
}

# METADATA
# scope: rule
# title: A call that no rule looks at is denied
# custom:
#   id: main.scope
#   controls: [pci-dss-4.0.1:7.3.3, nist-800-53-r5:ac-3, nist-800-53-r5:sc-7.5]
#   severity: high
reasons contains result.reason(rego.metadata.rule(), "no_rule_in_scope", {"action.name", "resource.type"}) if {
	_complete
	count(_domains) == 1
	count(_in_scope) == 0
}

# METADATA
# scope: rule
# title: A rule that cannot be asked denies
# custom:
#   id: main.rules
#   controls: [pci-dss-4.0.1:7.3.3, nist-800-53-r5:ac-3, nist-800-53-r5:sc-7.5]
#   severity: critical
reasons contains object.union(reason, {"rule": _id(rule)}) if {
	_complete
	reason := result.reason(rego.metadata.rule(), "rule_broken", set())
	some rule in (_known - (_in_scope | _idle))
}

# METADATA
# scope: rule
# description: A rule in scope does not see what it needs.
reasons contains result.reason(_about(rule), "fact_missing", absent) if {
	some rule, absent in _absent
	count(absent) > 0
}

# METADATA
# scope: rule
# description: A rule in scope sees all it needs and is not satisfied.
reasons contains result.reason(_about(rule), "rule_violated", _needs(rule)) if {
	some rule, absent in _absent
	count(absent) == 0
	not data.domains[domain][rule[0]][rule[1]].satisfied == true
}

# No rule is asked about a request that does not say who wants to do what to which thing.
_complete if {
	every path, kind in _request {
		facts.has(path, kind)
	}
}

# What AuthZEN demands of every request; rules build their scope upon it.
_request := {
	"subject.type": "text",
	"subject.id": "text",
	"action.name": "text",
	"resource.type": "text",
	"resource.id": "text",
}

_domains contains name if {
	some name
	data.domains[name].terms.resource_types[input.resource.type]
}

# A folder is a rule as soon as it defines any of the four names, so that a half-written one is noticed.
_known contains [family, name] if {
	some family, name
	_ = data.domains[domain][family][name].about
}

_known contains [family, name] if {
	some family, name
	_ = data.domains[domain][family][name].in_scope
}

_known contains [family, name] if {
	some family, name
	_ = data.domains[domain][family][name].needs
}

_known contains [family, name] if {
	some family, name
	_ = data.domains[domain][family][name].satisfied
}

# A rule can be asked if it is described and needs only facts that its domain declares. A rule that says neither
# that it is in scope nor that it is not, or that is in scope and cannot be asked, is broken.
_in_scope contains [family, name] if {
	_complete
	some [family, name] in _known
	data.domains[domain][family][name].in_scope == true
	result.described(_about([family, name]).custom, family, name)
	needs := data.domains[domain][family][name].needs
	count(needs) > 0
	count(needs - _declared) == 0
}

_idle contains [family, name] if {
	some [family, name] in _known
	data.domains[domain][family][name].in_scope == false
}

_declared := object.keys(data.domains[domain].terms.facts)

# Many rules need the same facts, so each is looked at once.
_present contains fact if {
	some fact in union({_needs(rule) | some rule in _in_scope})
	facts.has(fact, data.domains[domain].terms.facts[fact])
}

_absent[rule] := _needs(rule) - _present if some rule in _in_scope

_id(rule) := concat(".", rule)

_about(rule) := result.annotations(data.domains[domain][rule[0]][rule[1]].about)

_needs(rule) := data.domains[domain][rule[0]][rule[1]].needs

_duties(rule) := data.domains[domain][rule[0]][rule[1]].duties
