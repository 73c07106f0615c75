import { addWords } from '#/lib/words';
import mappings from '#/words/mappings.json';

// Only what is drawn on these pages imports this, never what stands beside a route: that is loaded with the frame.
addWords(mappings);
