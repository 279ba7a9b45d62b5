// Makes src/api.ts, the types of the server, of openapi.json; with --check it only says whether they are of one mind.
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const here = new URL('.', import.meta.url);
const source = JSON.parse(readFileSync(new URL('openapi.json', here), 'utf8'));

const banner = '/** Generated of openapi.json by `jlpm api`: not to be edited. */\n/* eslint-disable */\n';
const made = banner + astToString(await openapiTS(source, { alphabetize: true }));
const target = new URL('src/api.ts', here);
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== made) {
    console.error('src/api.ts is not what openapi.json says: run `jlpm api`, and commit it.');
    process.exit(1);
  }
} else {
  writeFileSync(target, made);
}
