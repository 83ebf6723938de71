import { type Address, formatAddress } from '@proxy/kernel'
import { demoPassword, demoUser, type EmbeddedPlan, type ServerName } from '../embedded/plan.ts'
import { tenants } from '../embedded/tenants.ts'

type Line = (address: Address, tenant: string) => string

const web: Line = (at, tenant) => `curl -H 'Host: ${tenant}.localhost' http://${formatAddress(at)}/`

const mail: Line = (at, tenant) =>
  `echo 'Subject: hello' | curl -sS --crlf smtp://${formatAddress(at)} --mail-from me@example.com --mail-rcpt you@${tenant}.localhost -T -`

const databases: Readonly<Record<ServerName, Line>> = {
  postgres: (at, tenant) =>
    `psql postgres://${demoUser}:${demoPassword}@${formatAddress(at)}/${tenant} -c 'select current_database()'`,
  // Newer clients of MariaDB insist on TLS unless they are told not to.
  mysql: ({ host, port }, tenant) =>
    `mariadb -h ${host} -P ${port} -u ${demoUser} -p${demoPassword} --skip-ssl ${tenant} -e 'select message from greeting'`,
  mongodb: (at, tenant) =>
    `mongosh --quiet mongodb://${demoUser}:${demoPassword}@${formatAddress(at)}/${tenant} --eval 'db.greeting.findOne().message'`,
}

/** What a newcomer may paste into another terminal. */
export function pasteLines(
  { servers }: EmbeddedPlan,
  at: (listener: string) => Address | undefined,
  admin: Address | undefined,
): string[] {
  const each = (listener: string, line: Line): string[] => {
    const address = at(listener)
    return address === undefined ? [] : tenants.map((tenant) => line(address, tenant))
  }
  const installed = Object.entries(databases).filter(([name]) => Object.hasOwn(servers, name))
  return [
    ...each('http', web),
    ...installed.flatMap(([name, line]) => each(name, line)),
    ...each('smtp', mail),
    ...(admin === undefined ? [] : [`curl http://${formatAddress(admin)}/mail`]),
  ]
}
