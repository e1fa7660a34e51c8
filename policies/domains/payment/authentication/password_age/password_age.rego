# METADATA
# title: A password that stands alone is changed in time
# description: |
#   Who has proved themselves by knowledge only must have changed the secret within the set days; no known factor is
#   none.
# custom:
#   id: authentication.password_age
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.3.1
#     - pci-dss-4.0.1:8.3.9
#     - nist-800-53-r5:ia-2
#     - nist-800-53-r5:ia-5.1
#   severity: medium
#   mode: gate
package domains.payment.authentication.password_age

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "person"

needs contains "context.authentication.methods"

needs contains fact if {
	_kinds == {"knowledge"}
	some fact in {"subject.properties.account.password_changed_unix", "time_unix"}
}

satisfied if count(_kinds - {"knowledge"}) > 0

satisfied if {
	_kinds == {"knowledge"}
	age := input.time_unix - input.subject.properties.account.password_changed_unix
	age <= data.domains.payment.terms.parameters.password_days * 86400
	age >= 0 - data.domains.payment.terms.parameters.clock_skew_seconds
}

_kinds contains kind if {
	some method in input.context.authentication.methods
	kind := data.domains.payment.terms.parameters.factor_kinds[method]
}
