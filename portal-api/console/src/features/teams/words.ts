import { addWords } from '#/lib/words';
import teams from '#/words/teams.json';

addWords(teams);
