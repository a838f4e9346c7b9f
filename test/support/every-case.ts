/** Whether a file tries all its cases: "npm run test:e2e" does, "npm test" takes the most telling of them. */
export const everyCase = process.env['EVERY_CASE'] === 'yes';
