# METADATA
# title: Environments do not reach into each other
# description: |
#   A call comes from the environment that it touches, and that environment is a known one.
# custom:
#   id: change.environment_separation
#   family: change
#   controls:
#     - pci-dss-4.0.1:6.5.3
#     - nist-800-53-r5:ac-4
#     - nist-800-53-r5:cm-5
#   severity: high
#   mode: gate
package domains.payment.change.environment_separation

about := rego.metadata.chain()

in_scope := true

needs := {"context.environment", "resource.properties.environment"}

satisfied if {
	input.resource.properties.environment in data.domains.payment.terms.parameters.environments
	input.context.environment == input.resource.properties.environment
}
