/** The stage `console`: the build that `npm start` would make, unless it is there. */
import { buildConsole } from '../setup/console-build.ts'

await buildConsole((line) => console.log(line))
