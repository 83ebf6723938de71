interface Observation {
  readonly fault: string
  readonly protocol: string
  readonly told: string
  readonly wellMs: number | undefined
}

const observations: Observation[] = []

/** Notes what a client saw under a fault, and how long it took until clients were served again. */
export function record(fault: string, protocol: string, told: string, wellMs?: number): void {
  observations.push({ fault, protocol, told, wellMs })
}

/** What was noted, as a table of Markdown. */
export function printRecords(): void {
  const rows = observations.map(
    ({ fault, protocol, told, wellMs }) => `| ${fault} | ${protocol} | ${told} | ${wellMs ?? '-'} |`,
  )
  const head = ['| fault | protocol | clients were told | well after, ms |', '|---|---|---|---|']
  process.stdout.write(`${[...head, ...rows].join('\n')}\n`)
}
