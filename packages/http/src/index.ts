export { http } from './http.ts'
export type { HttpAnswer, HttpOptions, HttpRequest, RequestHook } from './options.ts'
