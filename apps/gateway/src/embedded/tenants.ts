/** The tenants of the embedded default: a web server each, a mail server each, and a database in each of the databases' servers. */
export const tenants = ['alpha', 'beta'] as const
