export { firstOf } from './first-of.ts'
export { fixedResolver } from './fixed.ts'
export { toResolver } from './function.ts'
export { staticResolver } from './static.ts'
