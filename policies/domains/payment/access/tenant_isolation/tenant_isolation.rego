# METADATA
# title: A tenant reaches only what is its own
# description: |
#   The tenant that the gateway vouches for is the tenant of the resource.
# custom:
#   id: access.tenant_isolation
#   family: access
#   controls:
#     - pci-dss-4.0.1:A1.1.2
#     - nist-800-53-r5:ac-3
#     - nist-800-53-r5:ac-4
#   severity: critical
#   mode: gate
package domains.payment.access.tenant_isolation

about := rego.metadata.chain()

in_scope := true

needs := {"caller.tenant", "resource.properties.tenant"}

satisfied if input.caller.tenant == input.resource.properties.tenant
