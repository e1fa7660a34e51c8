# METADATA
# title: Too many failed attempts lock an account for a while
# description: |
#   Once the set number of attempts failed, the account stays locked until the set time has passed since the last of
#   them.
# custom:
#   id: authentication.lockout
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.3.4
#     - nist-800-53-r5:ac-7
#   severity: high
#   mode: gate
package domains.payment.authentication.lockout

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "person"

needs contains "subject.properties.account.failed_attempts"

needs contains fact if {
	not _few_attempts
	some fact in {"subject.properties.account.last_failure_unix", "time_unix"}
}

satisfied if _few_attempts

satisfied if {
	elapsed := input.time_unix - input.subject.properties.account.last_failure_unix
	elapsed >= data.domains.payment.terms.parameters.lockout.seconds
}

_few_attempts if {
	input.subject.properties.account.failed_attempts < data.domains.payment.terms.parameters.lockout.attempts
}
