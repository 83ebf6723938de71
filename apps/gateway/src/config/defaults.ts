/** Tenants with series of their own in /metrics. */
export const defaultMaxTenants = 200

export const defaultDrainDeadlineMs = 30_000
