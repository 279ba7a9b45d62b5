import { defaultsCode, flags } from '../notebook/place';
import { directoryOf, magicOf, submitCode } from '../notebook/submit';

describe('a cell that is submitted', () => {
  it('travels to the kernel as a text, whatever is in it', () => {
    const source = 'print("a\\n", \'\'\'b\'\'\')\n# "); import os; os.system("x") #\n\u2028 é 😀 \\';
    const code = submitCode(source, { target: 'research', backend: 'cuda' });
    const lines = code.split('\n');
    expect(lines).toHaveLength(2);
    const told = /^get_ipython\(\)\.run_cell_magic\("sovsubmit", ("[^"]*"), ("(?:[^"\\]|\\.)*")\)$/s.exec(lines[1])!;
    expect(JSON.parse(told[1])).toBe('--target research --backend cuda');
    expect(JSON.parse(told[2])).toBe(`${source}\n`);
  });

  it('goes to the place that was picked, and to the default where none was', () => {
    expect(flags({ target: '', backend: '' })).toBe('');
    expect(flags({ target: '', backend: 'cpu' })).toBe('--backend cpu');
  });

  it('has no other magic', () => {
    expect(magicOf('  %%sovsubmit --name x\n1')).toBe('sovsubmit');
    expect(magicOf('\n%%bash\nls')).toBe('bash');
    expect(magicOf('x = 5 %%2')).toBe('');
  });

  it('is of a folder as the server knows it', () => {
    expect(directoryOf('a b/ü#/n.ipynb')).toBe('a b/ü#');
    expect(directoryOf('RTC:a/n.ipynb')).toBe('a');
    expect(directoryOf('n.ipynb')).toBe('');
  });

  it('leaves no trace of a place that is picked no more', () => {
    expect(defaultsCode({ target: 'research', backend: '' })).toBe(
      '__import__("os").environ["SOVLAB_TARGET"] = "research"\n' +
        '__import__("os").environ.pop("SOVLAB_DEFAULTS_BACKEND", None)'
    );
  });
});
