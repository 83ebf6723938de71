import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { type Answer, ownFilesOnly } from './answer.ts'

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The operator's page by path. It holds nothing of any tenant: what it shows it asks the API for. */
export function pageFiles(): ReadonlyMap<string, Answer> {
  // In the sources and in the package alike, the page lies beside the module that this becomes part of.
  const directory = new URL('./page/', import.meta.url)
  const files = readdirSync(directory).filter((name) => Object.hasOwn(types, extname(name)))
  return new Map(files.map((name) => [pathOf(name), fileAnswer(new URL(name, directory), types[extname(name)]!)]))
}

const pathOf = (name: string): string => (name === 'index.html' ? '/' : `/page/${name}`)

const fileAnswer = (file: URL, type: string): Answer => ({
  status: 200,
  type,
  body: readFileSync(file),
  headers: ownFilesOnly,
})
