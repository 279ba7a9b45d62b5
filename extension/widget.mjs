// Makes the anywidget of the card, sovlab/jupyter/front/widget.js and .css, of what tsc has made. It holds all that it needs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rspack } from '@rspack/core';

const here = new URL('.', import.meta.url);
const front = new URL('../sovlab/jupyter/front/', here);
mkdirSync(front, { recursive: true });

const stats = await new Promise((done, failed) =>
  rspack(
    {
      mode: 'production',
      context: fileURLToPath(here),
      entry: './lib/widget/index.js',
      devtool: false,
      target: ['web', 'es2020'],
      output: {
        path: fileURLToPath(front),
        filename: 'widget.js',
        module: true,
        chunkFormat: 'module',
        library: { type: 'module' }
      },
      performance: { hints: false }
    },
    (error, made) => (error ? failed(error) : done(made))
  )
);
if (stats.hasErrors()) {
  console.error(stats.toString({ colors: false }));
  process.exit(1);
}

// Where there is no theme of JupyterLab its variables are missing: then those of widget.css count.
const style = ['base.css', 'card.css', 'log.css', 'widget.css']
  .map(name => readFileSync(new URL(`style/${name}`, here), 'utf8'))
  .join('\n')
  .replace(/@import[^;]*;\n?/g, '')
  .replace(/var\(--jp-([\w-]+)\)/g, 'var(--jp-$1, var(--sovlab-$1))');
writeFileSync(new URL('widget.css', front), style);
