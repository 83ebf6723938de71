import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.ts'

describe('parseArguments', () => {
  it('runs by default', () => {
    expect(parseArguments([])).toEqual({ command: 'run', config: undefined, workers: undefined, env: {} })
  })

  it('takes flags for what the environment says too', () => {
    expect(parseArguments(['-c', 'x.ts', '--workers', '3', '--http-port=81', '--log-level', 'debug'])).toEqual({
      command: 'run',
      config: 'x.ts',
      workers: 3,
      env: { HTTP_PORT: '81', LOG_LEVEL: 'debug' },
    })
  })

  it('knows its commands', () => {
    expect(parseArguments(['check']).command).toBe('check')
    expect(parseArguments(['check', '--help']).command).toBe('help')
    expect(parseArguments(['-v']).command).toBe('version')
  })

  it.each([
    [['--confg', 'x'], '--confg is no option. Did you mean "--config"?'],
    [['--nonsense'], '--nonsense is no option. Try --help.'],
    [['chekc'], '"chekc" is no command. Did you mean "check"?'],
    [['check', 'this'], '"this" is one word too many. Try --help.'],
    [['--workers', 'many'], '--workers must be a whole number from 1 to 1024, not "many".'],
  ])('refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message)
  })

  it('refuses a flag without its value', () => {
    expect(() => parseArguments(['--config'])).toThrow(/--config/)
  })
})
