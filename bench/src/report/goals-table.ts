import type { Spread } from '../stats.ts'
import type { Report } from './data.ts'
import { type Goal, goalsFor } from './goals.ts'

const digits = ({ unit }: Goal): number => (unit === 'us' ? 0 : 2)

const number = (goal: Goal, value: number): string => value.toFixed(digits(goal))

const asked = (goal: Goal): string => {
  const sign = goal.better === 'more' ? '>=' : '<='
  const both = goal.epoll === goal.node ? `${goal.epoll}` : `${goal.epoll} / ${goal.node}`
  return `${sign} ${both} ${goal.unit}`.trim()
}

const isMet = ({ better }: Goal, figure: Spread, bound: number): boolean =>
  better === 'more' ? figure.median >= bound : figure.median <= bound

const cell = (goal: Goal, figure: Spread | undefined, bound: number): string => {
  if (figure === undefined) return 'not measured'
  const range = `${number(goal, figure.min)}-${number(goal, figure.max)}`
  const outcome = isMet(goal, figure, bound) ? 'met' : '**not met**'
  return `${number(goal, figure.median)} (${range}) ${outcome}`
}

const line = (report: Report, goal: Goal): string => {
  const [epoll, node] = [goal.figure(report, 'gateway-epoll'), goal.figure(report, 'gateway')]
  const missed = [
    epoll !== undefined && !isMet(goal, epoll, goal.epoll),
    node !== undefined && !isMet(goal, node, goal.node),
  ].some(Boolean)
  const cells = [goal.what, asked(goal), cell(goal, epoll, goal.epoll), cell(goal, node, goal.node)]
  return `| ${[...cells, missed ? `[why](${goal.page})` : ''].join(' | ')} |`
}

/** Each goal with the figure on both transports, and whether it is met. */
export const goalsTable = (report: Report): string =>
  [
    '| goal | asked (epoll / Node) | epoll transport | Node transport | |',
    '|---|---|---|---|---|',
    ...goalsFor(report).map((goal) => line(report, goal)),
  ].join('\n')
