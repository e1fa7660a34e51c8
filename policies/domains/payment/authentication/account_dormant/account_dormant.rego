# METADATA
# title: A dormant account does not wake up by itself
# description: |
#   An account that nobody used for the set number of days is refused until it is enabled anew.
# custom:
#   id: authentication.account_dormant
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.2.6
#     - nist-800-53-r5:ac-2.3
#   severity: medium
#   mode: gate
package domains.payment.authentication.account_dormant

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "person"

needs := {"subject.properties.account.last_active_unix", "time_unix"}

satisfied if {
	idle := input.time_unix - input.subject.properties.account.last_active_unix
	idle <= data.domains.payment.terms.parameters.dormant_days * 86400
	idle >= 0 - data.domains.payment.terms.parameters.clock_skew_seconds
}
