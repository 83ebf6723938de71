export { describeNeeding, hasProgram, type Program, programEnv } from './programs.ts'
