import { addWords } from '#/lib/words';
import factors from '#/words/factors.json';

// Only what is drawn on these pages imports this, never what stands beside a route: that is loaded with the frame.
addWords(factors);
