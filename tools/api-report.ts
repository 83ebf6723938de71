// Compares the public types of every published entry point with the committed api/*.api.md; run after a build.
//   npm run api:check     fails when a report is out of date
//   npm run api:update    writes the reports
import { existsSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel, type IConfigFile } from '@microsoft/api-extractor'
import { type Member, published, root } from './workspace.ts'

interface Entry {
  folder: string
  /** Of the report, without `.api.md`. */
  name: string
  /** The built declarations, from the package's folder. */
  types: string
}

function entries({ folder, manifest }: Member): Entry[] {
  return Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    const name = [basename(folder), ...subpath.split('/').slice(1)].join('-')
    return [{ folder, name, types: target.types }]
  })
}

function config({ folder, name, types }: Entry): ExtractorConfig {
  const projectFolder = root + folder
  const none = { logLevel: ExtractorLogLevel.None }
  // Not an error, for another entry point of the package may export it: the report shows it to its readers.
  const forgotten = { logLevel: ExtractorLogLevel.None, addToApiReportFile: true }
  const configObject: IConfigFile = {
    projectFolder,
    mainEntryPointFilePath: `${projectFolder}/${types}`,
    newlineKind: 'lf',
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: 'es2022',
          lib: ['es2023'],
          module: 'nodenext',
          types: ['node'],
          strict: true,
          skipLibCheck: true,
        },
      },
    },
    apiReport: {
      enabled: true,
      reportFileName: name,
      reportFolder: `${projectFolder}/api`,
      reportTempFolder: `${projectFolder}/node_modules/.api`,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
      extractorMessageReporting: { default: none, 'ae-forgotten-export': forgotten },
      tsdocMessageReporting: { default: none },
    },
  }
  return ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: `${projectFolder}/package.json`,
  })
}

/** Whether the report is (now) up to date. */
function report(entry: Entry, update: boolean): boolean {
  const path = `${entry.folder}/api/${entry.name}.api.md`
  if (!existsSync(`${root}${entry.folder}/${entry.types}`)) {
    console.error(`${path}: there is no ${entry.types}; build first`)
    return false
  }
  mkdirSync(`${root}${entry.folder}/api`, { recursive: true })
  const { succeeded, apiReportChanged, errorCount } = Extractor.invoke(config(entry), {
    localBuild: update,
    messageCallback(message) {
      message.handled = true
      if (message.logLevel === ExtractorLogLevel.Error) console.error(`${path}: ${message.text}`)
    },
  })
  if (apiReportChanged)
    console.error(update ? `${path}: written` : `${path}: out of date; run npm run api:update and read the diff`)
  return update ? errorCount === 0 : succeeded
}

const update = process.argv.includes('--update')
const all = published().flatMap(entries)
const good = all.filter((entry) => report(entry, update)).length
console.log(`${good} of ${all.length} API reports are up to date.`)
process.exitCode = good === all.length ? 0 : 1
