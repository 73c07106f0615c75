import { addWords } from '#/lib/words';
import matches from '#/words/matches.json';

addWords(matches);
