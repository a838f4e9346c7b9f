// Tells what a Node program took that is started with NODE_OPTIONS=--import=THIS_FILE: process.resourceUsage() goes to USAGE_FILE
// when it ends. Programs that it starts are not in it.
import { writeFileSync } from 'node:fs';

process.on('exit', () => writeFileSync(process.env.USAGE_FILE, JSON.stringify(process.resourceUsage())));
