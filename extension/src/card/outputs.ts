/**
 * What a job displayed. A card's data only counts it: it is in the HTML that goes with the data, once. It is taken
 * out of there through JupyterLab's sanitizer, and without anything that would be fetched.
 */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

/** Bytes of HTML above which nothing is looked for: a card is small, its pictures are not so large. */
const LARGEST = 8 << 20;

/**
 * @param html of the card.
 * @param count how many outputs there are.
 * @returns what may be shown of them; empty where the HTML has not so many.
 */
export function outputsOf(html: unknown, count: number, sanitizer: Pick<IRenderMime.ISanitizer, 'sanitize'>): Node[] {
  if (typeof html !== 'string' || !count || html.length > LARGEST) {
    return [];
  }
  // A document of its own: nothing in it is run or fetched.
  const card = new DOMParser().parseFromString(html, 'text/html').body.firstElementChild;
  const blocks = [...(card?.children ?? [])].filter(
    block => block instanceof HTMLElement && block.style.overflowX === 'auto' && block.style.paddingTop
  );
  if (!blocks.length || blocks.length > count) {
    return [];
  }
  return blocks.map(block => cleaned(block.innerHTML, sanitizer));
}

function cleaned(html: string, sanitizer: Pick<IRenderMime.ISanitizer, 'sanitize'>): Node {
  const body = new DOMParser().parseFromString(sanitizer.sanitize(html), 'text/html').body;
  body.querySelectorAll('*').forEach(element => {
    for (const attribute of ['src', 'srcset', 'poster', 'background']) {
      const value = element.getAttribute(attribute);
      if (value !== null && !/^data:image\/(png|jpeg|gif|webp|svg\+xml);base64,/.test(value)) {
        element.removeAttribute(attribute);
      }
    }
    if (element instanceof HTMLElement && /url\s*\(|image-set|@import/i.test(element.getAttribute('style') ?? '')) {
      element.removeAttribute('style');
    }
  });
  body.querySelectorAll('style, link, iframe, object, embed, form, video, audio, base, meta').forEach(element =>
    element.remove()
  );
  const block = document.createElement('div');
  block.className = 'jp-Sovlab-output';
  block.append(...[...body.childNodes].map(node => document.importNode(node, true)));
  return block;
}
