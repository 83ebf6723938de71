import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Pem, TlsOptions } from './options.ts'

/** What is in the files of the options, by path. */
export type Files = ReadonlyMap<string, string>

const isPath = (pem: Pem | undefined): pem is string => typeof pem === 'string' && !pem.includes('-----BEGIN ')

/** Every file that the options name, once. */
export function pathsOf(options: TlsOptions): string[] {
  const pems = (options.certificates ?? []).flatMap(({ cert, key, ca }) => [cert, key, ca])
  return [...new Set([options.ca, ...pems].filter(isPath))]
}

export function readFilesSync(paths: readonly string[]): Files {
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]))
}

export async function readFiles(paths: readonly string[]): Promise<Files> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  return new Map(paths.map((path, at) => [path, texts[at]!]))
}

export function sameFiles(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([path, text]) => b.get(path) === text)
}

/** The PEM text itself. */
export function textOf(pem: Pem, files: Files): string {
  return isPath(pem) ? files.get(pem)! : pem.toString()
}
